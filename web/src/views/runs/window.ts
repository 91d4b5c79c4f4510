// Which rows of a long list are in the document: those that are seen, and a few around them.

export interface Window {
  from: number;
  to: number;
}

/** Rows [from, to) of `count` for a list whose top is at `top` relative to the screen of a `height`. */
export function windowOf(top: number, height: number, rowHeight: number, count: number, around = 6): Window {
  const from = Math.max(0, Math.floor(-top / rowHeight) - around);
  const to = Math.min(count, Math.ceil((height - top) / rowHeight) + around);
  return { from: Math.min(from, count), to: Math.max(to, Math.min(from, count)) };
}

/** The names between two of a list, both included, as shift-click selects them. */
export function between(names: string[], a: string, b: string): string[] {
  const i = names.indexOf(a), j = names.indexOf(b);
  if (i < 0 || j < 0) return [b];
  return names.slice(Math.min(i, j), Math.max(i, j) + 1);
}

/** Several names as one value of the address. */
export function namesIn(text: string): string[] {
  return text === "" ? [] : text.split(",").map((name) => {
    try {
      return decodeURIComponent(name);
    } catch {
      return name;
    }
  });
}

export function namesAs(names: string[]): string {
  return names.map((name) => encodeURIComponent(name)).join(",");
}
