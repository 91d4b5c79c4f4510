// A value that several parts of the view watch, so that a change redraws these parts alone.
import { useEffect, useState } from "preact/hooks";

export class Cell<T> {
  private readonly listeners = new Set<() => void>();
  constructor(private held: T) {}

  get value(): T { return this.held; }

  set value(next: T) {
    if (next === this.held) return;
    this.held = next;
    for (const listener of this.listeners) listener();
  }

  watch(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }
}

export function useCell<T>(cell: Cell<T>): T {
  const [, redraw] = useState(0);
  useEffect(() => cell.watch(() => redraw((n) => n + 1)), [cell]);
  return cell.value;
}
