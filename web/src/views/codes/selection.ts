// Which points a line drawn around them holds.

/** Points (x, y, ...) within a polygon (x, y, ...), for which `visible` holds. Even-odd rule. */
export function within(points: Float32Array, polygon: number[], visible: (point: number) => boolean): Int32Array {
  const xs = polygon.filter((_, i) => i % 2 === 0), ys = polygon.filter((_, i) => i % 2 === 1);
  const left = Math.min(...xs), right = Math.max(...xs), low = Math.min(...ys), high = Math.max(...ys);
  const found: number[] = [];
  for (let i = 0; i < points.length / 2; i++) {
    const x = points[2 * i]!, y = points[2 * i + 1]!;
    if (x < left || x > right || y < low || y > high || !visible(i)) continue;
    if (inside(xs, ys, x, y)) found.push(i);
  }
  return Int32Array.from(found);
}

function inside(xs: number[], ys: number[], x: number, y: number): boolean {
  let odd = false;
  for (let i = 0, j = xs.length - 1; i < xs.length; j = i++) {
    const a = ys[i]!, b = ys[j]!;
    if (a > y !== b > y && x < ((xs[j]! - xs[i]!) * (y - a)) / (b - a) + xs[i]!) odd = !odd;
  }
  return odd;
}

/** As many members as are shown, evenly over all. */
export function spread(members: Int32Array, n: number): number[] {
  if (members.length <= n) return [...members];
  return Array.from({ length: n }, (_, i) => members[Math.floor(((i + 0.5) * members.length) / n)]!);
}

/** How many members carry each label, the most frequent first. */
export function tally(members: Int32Array, labels: ArrayLike<number>): [number, number][] {
  const counts = new Map<number, number>();
  for (const member of members) counts.set(labels[member]!, (counts.get(labels[member]!) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
}

/** Points whose label or id is as asked: an id or a label exactly, or the beginning of a label. */
export function search(
  query: string, n: number, labelOf: (point: number) => string | null, idOf: (point: number) => string,
): Int32Array {
  const wanted = query.trim().toLowerCase();
  if (wanted === "") return new Int32Array(0);
  const numeric = /^\d+$/.test(wanted);
  const found: number[] = [];
  for (let i = 0; i < n; i++) {
    const label = labelOf(i)?.toLowerCase(), id = idOf(i).toLowerCase();
    if (label === wanted || id === wanted || (!numeric && ((label ?? "").includes(wanted) || id.includes(wanted)))) found.push(i);
  }
  return Int32Array.from(found);
}
