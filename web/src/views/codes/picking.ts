// Which point is where: the nearest to a place, its neighbours, and the next in a direction.
import Flatbush from "flatbush";

const CONE = [48, 400, 4000]; // neighbours among which the next in a direction is looked for

export interface Neighbours {
  points: number[];
  weights: number[];
}

/** An index of the points; distances count pixels of the screen where all points are shown. */
export class Picking {
  private readonly tree: Flatbush | null;

  constructor(
    private readonly points: Float32Array, private readonly scaleX: number, private readonly scaleY: number,
    private readonly visible: (point: number) => boolean,
  ) {
    const n = points.length / 2;
    this.tree = n === 0 ? null : new Flatbush(n, 16, Float32Array);
    for (let i = 0; i < n; i++) this.tree?.add(points[2 * i]! * scaleX, points[2 * i + 1]! * scaleY);
    this.tree?.finish();
  }

  /** The point nearest to (x, y) of the plane and at most `reach` away, or -1. */
  nearest(x: number, y: number, reach = Infinity): number {
    return this.around(x, y, 1, reach)[0] ?? -1;
  }

  private around(x: number, y: number, n: number, reach = Infinity): number[] {
    return this.tree?.neighbors(x * this.scaleX, y * this.scaleY, n, reach, this.visible) ?? [];
  }

  /** The nearest n points with weights that sum to 1 and fall to 0 at the farthest, so that nothing jumps. */
  neighbours(x: number, y: number, n = 8): Neighbours {
    const points = this.around(x, y, n + 1);
    const distances = points.map((point) => this.distance(point, x, y));
    return { points: points.length > n ? points.slice(0, n) : points, weights: weightsOf(distances, n) };
  }

  private distance(point: number, x: number, y: number): number {
    return Math.hypot((this.points[2 * point]! - x) * this.scaleX, (this.points[2 * point + 1]! - y) * this.scaleY);
  }

  /** The next point to the right (1, 0), up (0, 1), ... of another, or -1. */
  next(from: number, dx: number, dy: number): number {
    const x = this.points[2 * from]!, y = this.points[2 * from + 1]!;
    for (const n of CONE) {
      let best = -1, least = Infinity;
      const near = this.around(x, y, n);
      for (const point of near) {
        const u = (this.points[2 * point]! - x) * this.scaleX, v = (this.points[2 * point + 1]! - y) * this.scaleY;
        const along = u * dx + v * dy, across = Math.abs(u * dy - v * dx);
        if (point === from || along <= 0 || across > along) continue;
        const cost = along + 2 * across;
        if (cost < least) [best, least] = [point, cost];
      }
      if (best >= 0 || near.length < n) return best;
    }
    return -1;
  }
}

/** Weights of the n nearest by the distances of n + 1: (1/d - 1/d_n+1), as a share of all. */
export function weightsOf(distances: number[], n: number): number[] {
  const far = distances.length > n ? distances[n]! : Infinity;
  const weights = distances.slice(0, n).map((d) => Math.max(0, 1 / Math.max(d, 1e-6) - 1 / Math.max(far, 1e-6)));
  const sum = weights.reduce((a, b) => a + b, 0);
  return sum > 0 ? weights.map((w) => w / sum) : weights.map(() => 1 / weights.length);
}
