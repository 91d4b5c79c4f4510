// The table of measures: which value is the best of each.

export interface Comparison {
  measures: { name: string; lower_is_better: boolean }[];
  rows: { run: string; values: Record<string, number | null> }[];
  problems: string[];
}

/** The rows whose value is the best of a measure; none where fewer than two have one, or all have the same. */
export function best({ rows }: Pick<Comparison, "rows">, name: string, lower: boolean): Set<string> {
  const values = rows.flatMap(({ run, values: all }) => {
    const value = all[name];
    return value === null || value === undefined || !Number.isFinite(value) ? [] : [{ run, value }];
  });
  const numbers = values.map(({ value }) => value);
  const top = lower ? Math.min(...numbers) : Math.max(...numbers);
  if (values.length < 2 || numbers.every((value) => value === top)) return new Set();
  return new Set(values.filter(({ value }) => value === top).map(({ run }) => run));
}

/** n places of a data set, the same for the same number of the draw. */
export function drawn(n: number, of: number, draw: number): number[] {
  if (draw === 0) return Array.from({ length: Math.min(n, of) }, (_, i) => i);
  let state = (draw * 2654435761) >>> 0;
  const next = () => { // a small generator (mulberry32): the draw is in the address, and must show the same again
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const rows = new Set<number>();
  while (rows.size < Math.min(n, of)) rows.add(Math.floor(next() * of));
  return [...rows];
}
