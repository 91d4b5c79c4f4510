// Short messages at the bottom, such as "Deleted, Undo"; errors stay until they are closed.
import { useEffect, useState } from "preact/hooks";
import { Button } from "./controls";

export interface Toast {
  text: string;
  error?: boolean;
  action?: { label: string; run: () => void };
}

const SHOWN = 8000; // ms
const toasts: (Toast & { id: number })[] = [];
const listeners = new Set<() => void>();
let next = 1;

function changed(): void {
  for (const listener of [...listeners]) listener();
}

export function toast(message: Toast): void {
  const id = next++;
  const same = toasts.findIndex(({ text, action }) => text === message.text && action === undefined && message.action === undefined);
  if (same >= 0) toasts.splice(same, 1); // said once, and last
  toasts.push({ ...message, id });
  if (!message.error) setTimeout(() => close(id), SHOWN);
  changed();
}

/** Show why something did not work. */
export function complain(error: unknown): void {
  toast({ text: error instanceof Error ? error.message : String(error), error: true });
}

function close(id: number): void {
  const at = toasts.findIndex((each) => each.id === id);
  if (at >= 0) toasts.splice(at, 1);
  changed();
}

export function Toasts() {
  const [, redraw] = useState(0);
  useEffect(() => {
    const listener = () => redraw((n) => n + 1);
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
  return (
    <div class="toasts" role="region" aria-label="Messages" aria-live="polite">
      {toasts.map(({ id, text, error, action }) => (
        <div key={id} class={`toast ${error ? "wrong" : ""}`} role={error ? "alert" : "status"}>
          <p>{text}</p>
          {action && <Button kind="quiet" onClick={() => { close(id); action.run(); }}>{action.label}</Button>}
          <Button kind="quiet" label="Close the message" onClick={() => close(id)}>×</Button>
        </div>
      ))}
    </div>
  );
}
