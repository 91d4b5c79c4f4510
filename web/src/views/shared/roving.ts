// Arrow keys among buttons that lie in rows: only one of them is a stop of the Tab key.

/** Move the focus as an arrow key says; the position that it went to, or null. */
export function rove(event: KeyboardEvent, container: HTMLElement | null): number | null {
  const all = [...(container?.querySelectorAll<HTMLButtonElement>("button") ?? [])];
  const at = all.indexOf(document.activeElement as HTMLButtonElement), row = perRow(all.map((button) => button.offsetTop));
  const to = target(event.key, at, all.length, row);
  if (at < 0 || to === at || all[to] === undefined) return null;
  event.preventDefault();
  all.forEach((button, i) => { button.tabIndex = i === to ? 0 : -1; });
  all[to]!.focus();
  return to;
}

export function target(key: string, at: number, n: number, row: number): number {
  const steps: Record<string, number> = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: row, ArrowUp: -row };
  return key === "Home" ? 0 : key === "End" ? n - 1 : at + (steps[key] ?? 0);
}

/** How many stand in the first row, by their distances from the top. */
export function perRow(tops: number[]): number {
  const second = tops.findIndex((top) => top !== tops[0]);
  return second < 0 ? Math.max(1, tops.length) : second;
}
