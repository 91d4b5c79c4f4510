// Where the plane of codes lies on the screen: panning, zooming, and the way between both kinds of coordinates.

export interface Bounds {
  low: [number, number];
  high: [number, number];
}

const MARGIN = 0.07; // of the width, left free around the points
const OUTSIDE = 0.005; // share of the points at each end that may fall outside the first view
const LEAST_ZOOM = 0.4, GREATEST_ZOOM = 400;
const ALIKE = 3; // axes whose extents differ by less share one scale

/** The extent of points (x, y, x, y, ...), without a few that lie far from all others. */
export function boundsOf(points: Float32Array): Bounds {
  const x = extent(points, 0), y = extent(points, 1);
  return { low: [x[0], y[0]], high: [x[1], y[1]] };
}

function extent(points: Float32Array, axis: 0 | 1): [number, number] {
  const values = new Float32Array(points.length / 2);
  for (let i = 0; i < values.length; i++) values[i] = points[2 * i + axis] ?? 0;
  values.sort();
  const n = values.length;
  if (n === 0) return [-1, 1];
  const least = values[0] ?? 0, greatest = values[n - 1] ?? 0;
  const a = values[Math.floor(OUTSIDE * (n - 1))] ?? least, b = values[Math.ceil((1 - OUTSIDE) * (n - 1))] ?? greatest;
  const spare = 0.3 * (b - a);
  const low = Math.max(least, a - spare), high = Math.min(greatest, b + spare);
  return high > low ? [low, high] : [low - 1, high + 1];
}

export class Viewport {
  width = 1;
  height = 1;
  /** The centre of the screen in the plane. */
  cx = 0;
  cy = 0;
  zoom = 1;
  /** Pixels per unit of the plane where all points just fit. */
  fitX = 1;
  fitY = 1;
  private bounds: Bounds = { low: [-1, -1], high: [1, 1] };
  private free = false; // whether the axes may have scales of their own

  get sx(): number { return this.fitX * this.zoom; }
  get sy(): number { return this.fitY * this.zoom; }

  /** Show other points. `free`: the axes mean different things, so that their scales need not agree. */
  show(bounds: Bounds, free: boolean): void {
    this.bounds = bounds;
    this.free = free;
    this.scale();
    this.fit();
  }

  resize(width: number, height: number): void {
    this.width = Math.max(1, width);
    this.height = Math.max(1, height);
    this.scale();
  }

  private scale(): void {
    const { low, high } = this.bounds;
    const room = 1 - 2 * MARGIN;
    this.fitX = (this.width * room) / (high[0] - low[0]);
    this.fitY = (this.height * room) / (high[1] - low[1]);
    const ratio = (high[0] - low[0]) / (high[1] - low[1]);
    if (!this.free && ratio < ALIKE && ratio > 1 / ALIKE) this.fitX = this.fitY = Math.min(this.fitX, this.fitY);
  }

  fit(): void {
    const { low, high } = this.bounds;
    this.cx = (low[0] + high[0]) / 2;
    this.cy = (low[1] + high[1]) / 2;
    this.zoom = 1;
  }

  /** Show a part whose extents are given, such as the points of one class. */
  frame({ low, high }: Bounds): void {
    this.cx = (low[0] + high[0]) / 2;
    this.cy = (low[1] + high[1]) / 2;
    const room = 1 - 2 * MARGIN;
    this.zoom = clamp(
      Math.min((this.width * room) / ((high[0] - low[0] || 1e-9) * this.fitX), (this.height * room) / ((high[1] - low[1] || 1e-9) * this.fitY)),
      LEAST_ZOOM, GREATEST_ZOOM,
    );
  }

  toX(px: number): number { return this.cx + (px - this.width / 2) / this.sx; }
  toY(py: number): number { return this.cy - (py - this.height / 2) / this.sy; }
  screenX(x: number): number { return (x - this.cx) * this.sx + this.width / 2; }
  screenY(y: number): number { return this.height / 2 - (y - this.cy) * this.sy; }

  pan(dx: number, dy: number): void {
    this.cx -= dx / this.sx;
    this.cy += dy / this.sy;
    this.keepNear();
  }

  /** Zoom by a factor; what is at (px, py) on the screen stays there. */
  zoomAt(px: number, py: number, factor: number): void {
    const x = this.toX(px), y = this.toY(py);
    this.zoom = clamp(this.zoom * factor, LEAST_ZOOM, GREATEST_ZOOM);
    this.cx = x - (px - this.width / 2) / this.sx;
    this.cy = y + (py - this.height / 2) / this.sy;
    this.keepNear();
  }

  /** One does not get lost: the centre stays within the points' extent. */
  private keepNear(): void {
    const { low, high } = this.bounds;
    const spare = 0.25;
    this.cx = clamp(this.cx, low[0] - spare * (high[0] - low[0]), high[0] + spare * (high[0] - low[0]));
    this.cy = clamp(this.cy, low[1] - spare * (high[1] - low[1]), high[1] + spare * (high[1] - low[1]));
  }

  get fitted(): boolean {
    const { low, high } = this.bounds;
    return this.zoom === 1 && this.cx === (low[0] + high[0]) / 2 && this.cy === (low[1] + high[1]) / 2;
  }

  /** For the address; empty where all points are shown. */
  write(): string {
    if (this.fitted) return "";
    return [this.cx, this.cy, this.zoom].map((value) => Number(value.toPrecision(5))).join(",");
  }

  read(text: string): void {
    const [cx, cy, zoom] = text === "" ? [] : text.split(",").map(Number);
    if (cx === undefined || cy === undefined || zoom === undefined || ![cx, cy, zoom].every(Number.isFinite)) return this.fit();
    this.cx = cx;
    this.cy = cy;
    this.zoom = clamp(zoom, LEAST_ZOOM, GREATEST_ZOOM);
    this.keepNear();
  }
}

export function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

/** Round values for an axis of `pixels` length, some 70 pixels apart. */
export function ticks(low: number, high: number, pixels: number): number[] {
  const rough = ((high - low) / Math.max(1, pixels)) * 70;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough) ?? 10 * power;
  const out: number[] = [];
  for (let i = Math.ceil(low / step); i * step <= high && out.length < 50; i++) out.push(Number((i * step).toPrecision(12)));
  return out;
}
