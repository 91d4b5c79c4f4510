// Canvases hold colours, not variables of the style sheet: they are drawn anew when the appearance changes.
import { useEffect, useState } from "preact/hooks";

/** A number that changes whenever light becomes dark. */
export function useAppearance(): number {
  const [version, change] = useState(0);
  useEffect(() => {
    const listener = () => change((n) => n + 1);
    const system = window.matchMedia("(prefers-color-scheme: dark)");
    window.addEventListener("narrows-theme", listener);
    system.addEventListener("change", listener);
    return () => {
      window.removeEventListener("narrows-theme", listener);
      system.removeEventListener("change", listener);
    };
  }, []);
  return version;
}
