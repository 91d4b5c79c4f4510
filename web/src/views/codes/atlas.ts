// The pictures of the points: loaded in order, and those in sight kept in the slots of one atlas.
import type { Explorer, Samples } from "../../model/explorer";
import { isSuperseded } from "../../model/explorer";
import { growth, levelOf, Placement } from "./placement";
import { SLOTS, type Renderer, type Tiles, type TileShape } from "./renderer";
import { clamp, type Viewport } from "./viewport";

export const CHUNK = 4096; // pictures of one request
const MEMORY = 160e6; // bytes of pictures that are kept
const UPLOADS = 400; // pictures brought into the atlas for one frame; the rest follow in the next
const LEVELS = 6; // placements that are kept
const APPEAR = 1.7, FULL = 2.3; // zooms between which pictures fade in
const FEW = 500; // points, of which pictures are always shown
const SIZE = 34; // pixels of a picture at the start of a level

/** Slots of the atlas: pictures out of sight make room for others. */
export class Slots {
  private readonly slotOf: Int32Array;
  private readonly owner = new Int32Array(SLOTS).fill(-1);
  private readonly used = new Uint32Array(SLOTS);
  private frame = 1;
  private hand = 0;

  constructor(points: number) {
    this.slotOf = new Int32Array(points).fill(-1);
  }

  nextFrame(): void { this.frame++; }

  /** Where a picture lies, or -1. */
  find(point: number): number {
    const slot = this.slotOf[point]!;
    if (slot >= 0) this.used[slot] = this.frame;
    return slot;
  }

  /** A slot for a picture: one that was out of sight in the last frame too, else one out of sight now; -1 where none is. */
  take(point: number): number {
    for (let tries = 0; tries < 2 * SLOTS; tries++) {
      const slot = this.hand;
      this.hand = (this.hand + 1) % SLOTS;
      const spared = tries < SLOTS ? this.frame - 1 : this.frame;
      if (this.owner[slot]! >= 0 && this.used[slot]! >= spared) continue;
      const former = this.owner[slot]!;
      if (former >= 0) this.slotOf[former] = -1;
      this.owner[slot] = point;
      this.slotOf[point] = slot;
      this.used[slot] = this.frame;
      return slot;
    }
    return -1;
  }

  clear(): void {
    this.slotOf.fill(-1);
    this.owner.fill(-1);
    this.used.fill(0);
  }
}

/** The pictures of all samples of a split, which every map of them shows. */
export class Pictures {
  /** How many samples, from the first, have their picture. */
  loaded = 0;
  readonly arrived = new Set<() => void>();
  private readonly chunks: Samples[] = [];
  private started = false;
  private readonly stop = new AbortController();

  constructor(private readonly explorer: Explorer, private readonly split: string, private readonly count: number) {}

  /** Load them chunk by chunk, in order. */
  async load(): Promise<void> {
    const { explorer, split, count, stop: { signal } } = this;
    if (this.started) return;
    this.started = true;
    let bytes = 0;
    try {
      while (explorer.thumbnails !== undefined && this.loaded < count && bytes < MEMORY) {
        const chunk = await explorer.thumbnails(split, this.loaded, Math.min(count, this.loaded + CHUNK), signal);
        const got = chunk.shape[0] ?? 0;
        if (got === 0 || signal.aborted) return;
        this.chunks.push(chunk);
        this.loaded += got;
        bytes += chunk.data.byteLength;
        for (const listener of this.arrived) listener();
      }
    } catch (error) {
      if (!isSuperseded(error)) throw error;
    }
  }

  close(): void { this.stop.abort(); }

  get shape(): TileShape | null {
    const shape = this.chunks[0]?.shape;
    return shape === undefined ? null : { height: shape[1] ?? 1, width: shape[2] ?? 1, channels: shape[3] ?? 1 };
  }

  of(position: number): Uint8Array | null {
    const chunk = this.chunks[Math.floor(position / CHUNK)];
    if (chunk === undefined) return null;
    const size = chunk.data.length / (chunk.shape[0] ?? 1);
    const at = (position % CHUNK) * size;
    return chunk.data.subarray(at, at + size) as Uint8Array;
  }
}

export class Atlas {
  private readonly placements = new Map<number, Placement>();
  private readonly slots: Slots;
  private fit = "";

  private known = 0; // points, from the first, whose picture has come

  /** `positions`: of the points' pictures, ascending; null where they are those of the points. */
  constructor(
    private readonly points: Float32Array, private readonly pictures: Pictures, private readonly positions: Int32Array | null,
  ) {
    this.slots = new Slots(points.length / 2);
  }

  /** How many points, from the first, have their picture. */
  get loaded(): number {
    const { positions, pictures } = this, n = this.points.length / 2;
    if (positions === null) return Math.min(n, pictures.loaded);
    while (this.known < n && positions[this.known]! < pictures.loaded) this.known++;
    return this.known;
  }

  /** The renderer has a new, empty atlas. */
  prepare(renderer: Renderer): void {
    const { shape } = this.pictures;
    if (shape === null) return;
    renderer.setTileShape(shape);
    this.slots.clear();
  }

  /** Other points are drawn than before. */
  forget(): void { this.placements.clear(); }

  private placement(view: Viewport, colours: Uint8Array, least: number): Placement {
    const fit = `${view.fitX},${view.fitY}`;
    if (fit !== this.fit) {
      this.placements.clear();
      this.fit = fit;
    }
    const level = levelOf(view.zoom);
    let placement = this.placements.get(level);
    if (placement === undefined) {
      if (this.placements.size >= LEVELS) this.placements.delete(this.placements.keys().next().value!);
      placement = Placement.at(level, this.points, view.fitX, view.fitY);
      this.placements.set(level, placement);
    }
    placement.extend(this.loaded, colours, least);
    return placement;
  }

  /** Write what is in sight into `tiles`, and bring what is missing into the atlas. True where some are still to come. */
  show(view: Viewport, renderer: Renderer, colours: Uint8Array, least: number, tiles: Tiles): boolean {
    tiles.count = 0;
    tiles.alpha = this.points.length / 2 <= FEW ? 1 : clamp((view.zoom - APPEAR) / (FULL - APPEAR), 0, 1);
    if (tiles.alpha === 0 || this.loaded === 0) return false;
    tiles.size = SIZE * growth(view.zoom);
    const { chosen, count } = this.placement(view, colours, least);
    this.slots.nextFrame();
    const { points, slots } = this;
    const { sx, sy, cx, cy } = view;
    const farX = view.width / 2 + tiles.size, farY = view.height / 2 + tiles.size;
    let uploads = 0, missing = false;
    for (let i = 0; i < count && tiles.count < SLOTS; i++) {
      const point = chosen[i]!;
      if (Math.abs((points[2 * point]! - cx) * sx) > farX || Math.abs((points[2 * point + 1]! - cy) * sy) > farY) continue;
      let slot = slots.find(point);
      if (slot < 0) {
        if (uploads === UPLOADS) {
          missing = true;
          continue;
        }
        const pixels = this.pictures.of(this.positions?.[point] ?? point);
        if (pixels === null || (slot = slots.take(point)) < 0) continue;
        renderer.upload(slot, pixels);
        uploads++;
      }
      tiles.index[tiles.count] = point;
      tiles.slot[tiles.count++] = slot;
    }
    return missing;
  }
}
