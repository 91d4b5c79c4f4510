// Which points show their picture: as many as have room, so that pictures hardly overlap, and the same ones while one pans.
//
// Points are taken in order, and one gets a picture where no earlier one lies within the spacing along both axes. The
// spacing belongs to a level of the zoom, not to the screen: pictures grow between two levels, and more appear at the next.

export const SPACING = 42; // pixels between pictures at the start of a level
const PER_DOUBLING = 2; // levels of the zoom

export function levelOf(zoom: number): number {
  return Math.floor(PER_DOUBLING * Math.log2(zoom) + 1e-9);
}

/** How much larger pictures are than at the start of their level. */
export function growth(zoom: number): number {
  return zoom / 2 ** (levelOf(zoom) / PER_DOUBLING);
}

/** The chosen points of one level; more are added as more pictures have arrived. */
export class Placement {
  readonly chosen: Int32Array;
  count = 0;
  private seen = 0;
  private readonly table: Int32Array; // of cells of the grid, each with at most one chosen point; the point's number + 1
  private readonly mask: number;

  /** Cells of the grid per unit of the plane. */
  constructor(private readonly points: Float32Array, private readonly perX: number, private readonly perY: number) {
    const n = points.length / 2;
    this.chosen = new Int32Array(n);
    let size = 16;
    while (size < 2 * n) size *= 2;
    this.table = new Int32Array(size);
    this.mask = size - 1;
  }

  static at(level: number, points: Float32Array, fitX: number, fitY: number): Placement {
    const zoom = 2 ** (level / PER_DOUBLING);
    return new Placement(points, (fitX * zoom) / SPACING, (fitY * zoom) / SPACING);
  }

  /** Take the points up to `end` into account; those of alpha 0 in `colours` show nothing. */
  extend(end: number, colours: Uint8Array, least: number): void {
    const { points, perX, perY } = this;
    for (let i = this.seen; i < end; i++) {
      if (colours[4 * i + 3]! < least) continue;
      const x = points[2 * i]! * perX, y = points[2 * i + 1]! * perY;
      if (this.free(x, y)) {
        this.insert(Math.floor(x), Math.floor(y), i);
        this.chosen[this.count++] = i;
      }
    }
    this.seen = Math.max(this.seen, end);
  }

  private free(x: number, y: number): boolean {
    const cx = Math.floor(x), cy = Math.floor(y);
    for (let dy = -1; dy <= 1; dy++) {
      for (let dx = -1; dx <= 1; dx++) {
        const other = this.find(cx + dx, cy + dy);
        if (other < 0) continue;
        if (Math.abs(this.points[2 * other]! * this.perX - x) < 1 && Math.abs(this.points[2 * other + 1]! * this.perY - y) < 1) return false;
      }
    }
    return true;
  }

  private start(cx: number, cy: number): number {
    return (Math.imul(cx, 73856093) ^ Math.imul(cy, 19349663)) & this.mask;
  }

  private find(cx: number, cy: number): number {
    for (let at = this.start(cx, cy); ; at = (at + 1) & this.mask) {
      const other = this.table[at]! - 1;
      if (other < 0) return -1;
      if (Math.floor(this.points[2 * other]! * this.perX) === cx && Math.floor(this.points[2 * other + 1]! * this.perY) === cy) return other;
    }
  }

  private insert(cx: number, cy: number, point: number): void {
    let at = this.start(cx, cy);
    while (this.table[at] !== 0) at = (at + 1) & this.mask;
    this.table[at] = point + 1;
  }
}
