// The code at hand, and its picture: wherever it was moved from (the plane, a slider, a path), all that shows it hears of it.
import { isSuperseded, type Codes, type Explorer, type Samples } from "../../model/explorer";
import type { Inverse } from "../../api/types";
import type { Picking } from "./picking";

const IN_FLIGHT = 2; // calls whose answers are awaited: one is computed while another is on its way
const KEPT = 512; // latencies

interface Metrics {
  /** Pictures that were drawn since the page was opened, and the milliseconds from event to pixels of the latest. */
  decoded: number;
  painted: number;
  /** Times that the points were drawn. */
  frames: number;
  latencies: Float64Array;
}

declare global {
  interface Window {
    narrowsMetrics?: Metrics;
  }
}

const metrics: Metrics = { decoded: 0, painted: 0, frames: 0, latencies: new Float64Array(KEPT) };
let unpainted = 0; // when the event happened whose picture is drawn but not yet on the screen
if (typeof window !== "undefined") window.narrowsMetrics = metrics;

function painted(): void {
  metrics.latencies[metrics.painted++ % KEPT] = performance.now() - unpainted;
  unpainted = 0;
}

type Place = { z: Float32Array } | { rows: number[]; weights: number[] };

export class Hand {
  /** The code, and what it decodes to. */
  readonly z: Float32Array;
  x: Samples | null = null;
  /** The label of a conditional model. */
  y: number | null = null;
  /** Where in the plane it was taken from, for maps that cannot say where a code lies. */
  place: [number, number] | null = null;
  readonly onCode = new Set<() => void>();
  readonly onPicture = new Set<(x: Samples) => void>();
  private inFlight = 0;
  private sent = 0;
  private drawn = 0;
  private waiting: Place | null = null;
  private stamp = 0;
  private broken = false;

  constructor(private readonly explorer: Explorer, private readonly split: string, private readonly failed: (error: unknown) => void) {
    this.z = Float32Array.from(explorer.info.dims, ({ centre }) => centre);
  }

  /** Take this code, and show its picture. `stamp`: when the event happened, as performance.now() counts. */
  move(z: ArrayLike<number>, stamp = performance.now(), place: [number, number] | null = null): void {
    this.z.set(z);
    this.place = place;
    this.tell();
    this.ask({ z: this.z.slice() }, stamp);
  }

  /** Take the weighted mean of samples' codes. */
  blend(rows: number[], weights: number[], stamp = performance.now(), place: [number, number] | null = null): void {
    this.place = place;
    this.ask({ rows, weights }, stamp);
  }

  /** Take a code whose picture is known already. */
  show(z: Float32Array, x: Samples, stamp = performance.now()): void {
    this.z.set(z);
    this.place = null;
    this.tell();
    this.drawn = ++this.sent; // what is still on its way is older
    this.waiting = null;
    this.draw(x, stamp);
  }

  again(): void { this.move(this.z); }

  private tell(): void {
    for (const listener of this.onCode) listener();
  }

  private ask(place: Place, stamp: number): void {
    this.waiting = place;
    this.stamp = stamp;
    if (this.inFlight < IN_FLIGHT) this.send();
  }

  private send(): void {
    const place = this.waiting, { stamp } = this, number = ++this.sent;
    if (place === null) return;
    this.waiting = null;
    this.inFlight++;
    this.call(place).then(
      ({ x, z }) => {
        this.broken = false;
        if (number < this.drawn) return;
        this.drawn = number;
        if (z !== null) {
          this.z.set(z);
          this.tell();
        }
        this.draw(x, stamp);
      },
    ).catch((error) => {
      if (isSuperseded(error) || this.broken) return;
      this.broken = true; // said once, not for each move
      this.failed(error);
    }).finally(() => {
      this.inFlight--;
      this.send();
    });
  }

  private async call(place: Place): Promise<{ x: Samples; z: Float32Array | null }> {
    if ("rows" in place) return this.explorer.blend(this.split, place.rows, place.weights, "hand");
    return { x: await this.explorer.decode(place.z, { lane: "hand", ...(this.y === null ? {} : { y: this.y }) }), z: null };
  }

  private draw(x: Samples, stamp: number): void {
    this.x = x;
    for (const listener of this.onPicture) listener(x);
    metrics.decoded++;
    if (unpainted === 0) requestAnimationFrame(painted);
    unpainted = stamp;
  }
}

/** What a place of the plane means: the code there, written into `z`; or samples whose codes are to be blended. */
export function invert(
  inverse: Inverse, base: { z: ArrayLike<number>; x: number; y: number } | null, centre: ArrayLike<number>, x: number, y: number, z: Float32Array,
): boolean {
  if (inverse.kind === "dims") {
    z.set(base?.z ?? centre);
    z[inverse.dims[1]] = y; // a plane of one dimension has it along x, which is set last
    z[inverse.dims[0]] = x;
    return true;
  }
  if (inverse.kind === "linear") {
    const [first = [], second = []] = inverse.components;
    const from = base?.z ?? inverse.mean, dx = x - (base?.x ?? 0), dy = y - (base?.y ?? 0);
    for (let i = 0; i < z.length; i++) z[i] = from[i]! + dx * (first[i] ?? 0) + dy * (second[i] ?? 0);
    return true;
  }
  return false;
}

/** Where a code lies in the plane, or null where the map cannot say; of one dimension it knows the x alone. */
export function project(inverse: Inverse, z: ArrayLike<number>): [number, number] | null {
  if (inverse.kind === "dims" && inverse.dims[0] === inverse.dims[1]) return null;
  if (inverse.kind === "dims") return [z[inverse.dims[0]]!, z[inverse.dims[1]]!];
  if (inverse.kind === "neighbours") return null;
  const along = (component: number[] = []) => component.reduce((sum, c, i) => sum + c * (z[i]! - (inverse.mean[i] ?? 0)), 0);
  return [along(inverse.components[0]), along(inverse.components[1])];
}

/** Decode what is at a place of the plane. */
export function decodeAt(
  hand: Hand, codes: Codes, picking: Picking | null, base: { z: ArrayLike<number>; x: number; y: number } | null,
  x: number, y: number, scratch: Float32Array, stamp: number,
): void {
  if (invert(codes.inverse, base, codes.centre, x, y, scratch)) hand.move(scratch, stamp, [x, y]);
  else if (picking !== null) {
    const { points, weights } = picking.neighbours(x, y);
    hand.blend(points.map((point) => codes.rows[point]!), weights, stamp, [x, y]);
  }
}
