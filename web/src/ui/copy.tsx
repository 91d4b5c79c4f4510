// A command or another text in full, with a button that copies it.
import { useState } from "preact/hooks";
import { Button } from "./controls";

export function Copy({ text, label = "Copy", wrap = false }: { text: string; label?: string; wrap?: boolean }) {
  const [copied, setCopied] = useState(false);
  const run = async () => {
    await copy(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return (
    <div class={wrap ? "copy wrap" : "copy"}>
      <code tabIndex={0} role="group" aria-label="Command">
        {text.split(/ (?=--)/).map((part, i) => <>{i > 0 && " "}<span class="part">{part}</span></>)}
      </code>
      <Button kind="quiet" label={label} onClick={() => void run()}>{copied ? "Copied" : "Copy"}</Button>
      <span class="visually-hidden" aria-live="polite">{copied ? "Copied" : ""}</span>
    </div>
  );
}

async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea"); // without https, as behind a proxy
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}
