import { useState } from "preact/hooks";
import { setTheme, theme, type Theme } from "../state/theme";
import { Segmented } from "./controls";

export function ThemeSwitch() {
  const [chosen, choose] = useState<Theme>(theme());
  return (
    <Segmented
      label="Appearance" value={chosen}
      options={[{ value: "auto", label: "Auto" }, { value: "light", label: "Light" }, { value: "dark", label: "Dark" }]}
      onChange={(value) => {
        setTheme(value as Theme);
        choose(value as Theme);
      }}
    />
  );
}
