// Points and thumbnails on a Canvas2D. Points are blended into a buffer of pixels by ourselves: a canvas call per point would take ten times as long.
import { SLOTS_ACROSS, type Renderer, type Tiles, type TileShape } from "./renderer";
import type { Viewport } from "./viewport";

const PHASES = 2; // positions within a pixel for which a disc is kept, along each axis

/** The coverage (0..256) of a disc's pixels, for each phase within a pixel. */
export class Disc {
  readonly side: number;
  readonly coverage: Uint16Array[] = [];

  constructor(readonly diameter: number) {
    this.side = Math.ceil(diameter) + 1;
    for (let py = 0; py < PHASES; py++) {
      for (let px = 0; px < PHASES; px++) this.coverage.push(this.cover((px + 0.5) / PHASES, (py + 0.5) / PHASES));
    }
  }

  private cover(fx: number, fy: number): Uint16Array {
    const { side, diameter } = this;
    const out = new Uint16Array(side * side);
    const cx = (side - 1) / 2 + fx, cy = (side - 1) / 2 + fy;
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) {
        const distance = Math.hypot(x + 0.5 - cx, y + 0.5 - cy);
        out[y * side + x] = Math.round(256 * Math.min(1, Math.max(0, diameter / 2 + 0.5 - distance)));
      }
    }
    return out;
  }
}

/** Blend points over a picture (width * height pixels, red in the lowest byte). */
export function blendPoints(
  pixels: Uint32Array, width: number, height: number, points: Float32Array, colours: Uint8Array,
  disc: Disc, sx: number, sy: number, ox: number, oy: number,
): void {
  const { side, coverage } = disc;
  const half = (side - 1) / 2;
  const n = colours.length >> 2;
  for (let i = 0; i < n; i++) {
    const alpha = colours[4 * i + 3]!;
    if (alpha === 0) continue;
    const left = points[2 * i]! * sx + ox - half, top = oy - points[2 * i + 1]! * sy - half;
    const x0 = Math.floor(left), y0 = Math.floor(top);
    if (x0 < 0 || y0 < 0 || x0 + side > width || y0 + side > height) continue;
    const mask = coverage[(((top - y0) * PHASES) | 0) * PHASES + (((left - x0) * PHASES) | 0)]!;
    const r = colours[4 * i]!, g = colours[4 * i + 1]!, b = colours[4 * i + 2]!;
    for (let y = 0, m = 0; y < side; y++) {
      let at = (y0 + y) * width + x0;
      for (let x = 0; x < side; x++, m++, at++) {
        const a = (mask[m]! * alpha + 128) >> 8; // 0..255
        if (a === 0) continue;
        const below = pixels[at]!;
        const br = below & 255, bg = (below >> 8) & 255, bb = (below >> 16) & 255;
        pixels[at] = 0xff000000 | ((bb + (((b - bb) * a) >> 8)) << 16) | ((bg + (((g - bg) * a) >> 8)) << 8) | (br + (((r - br) * a) >> 8));
      }
    }
  }
}

export class CanvasRenderer implements Renderer {
  readonly name = "canvas";
  private readonly pen: CanvasRenderingContext2D;
  private image: ImageData | null = null;
  private pixels = new Uint32Array(0);
  private disc = new Disc(3);
  private points: Float32Array = new Float32Array(0);
  private colours: Uint8Array = new Uint8Array(0);
  private background = 0xffffffff;
  private ratio = 1;
  private shape: TileShape = { height: 1, width: 1, channels: 1 };
  private atlas: CanvasRenderingContext2D | null = null;
  private tile: ImageData | null = null;

  constructor(private readonly canvas: HTMLCanvasElement) {
    const pen = canvas.getContext("2d", { alpha: false, willReadFrequently: true }); // kept by the processor, which writes it
    if (pen === null) throw new Error("the browser has no canvas");
    this.pen = pen;
  }

  resize(width: number, height: number, ratio: number): void {
    this.ratio = ratio;
    this.canvas.width = Math.max(1, Math.round(width * ratio));
    this.canvas.height = Math.max(1, Math.round(height * ratio));
    this.image = new ImageData(this.canvas.width, this.canvas.height);
    this.pixels = new Uint32Array(this.image.data.buffer);
  }

  setBackground([r, g, b]: readonly [number, number, number]): void {
    this.background = (0xff000000 | (b << 16) | (g << 8) | r) >>> 0;
  }

  setPoints(points: Float32Array): void { this.points = points; }
  setColours(colours: Uint8Array): void { this.colours = colours; }

  setTileShape(shape: TileShape): void {
    this.shape = shape;
    const canvas = document.createElement("canvas");
    canvas.width = SLOTS_ACROSS * shape.width;
    canvas.height = SLOTS_ACROSS * shape.height;
    this.atlas = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
    this.tile = new ImageData(shape.width, shape.height);
    this.tile.data.fill(255);
  }

  upload(slot: number, pixels: Uint8Array): void {
    const { tile, atlas } = this;
    if (tile === null || atlas === null) return;
    const { width, height, channels } = this.shape;
    for (let i = 0, j = 0; i < width * height; i++, j += 4) {
      tile.data[j] = pixels[i * channels]!;
      tile.data[j + 1] = pixels[channels === 3 ? i * 3 + 1 : i]!;
      tile.data[j + 2] = pixels[channels === 3 ? i * 3 + 2 : i]!;
    }
    atlas.putImageData(tile, (slot % SLOTS_ACROSS) * width, Math.floor(slot / SLOTS_ACROSS) * height);
  }

  draw(view: Viewport, diameter: number, tiles: Tiles): void {
    if (this.image === null) return;
    const { ratio, pen, pixels } = this;
    if (Math.abs(this.disc.diameter - diameter * ratio) > 0.1) this.disc = new Disc(diameter * ratio);
    pixels.fill(this.background);
    const sx = view.sx * ratio, sy = view.sy * ratio;
    const ox = (view.width / 2) * ratio - view.cx * sx, oy = (view.height / 2) * ratio + view.cy * sy;
    blendPoints(pixels, this.image.width, this.image.height, this.points, this.colours, this.disc, sx, sy, ox, oy);
    pen.putImageData(this.image, 0, 0);
    if (tiles.count > 0) this.drawTiles(tiles, sx, sy, ox, oy);
  }

  private drawTiles(tiles: Tiles, sx: number, sy: number, ox: number, oy: number): void {
    const { pen, atlas, ratio, points, colours } = this;
    if (atlas === null) return;
    const { width, height } = this.shape;
    const unit = (tiles.size * ratio) / Math.max(width, height);
    const w = Math.round(width * unit), h = Math.round(height * unit), edge = Math.max(1, Math.round(1.5 * ratio));
    pen.globalAlpha = tiles.alpha;
    pen.imageSmoothingEnabled = Math.max(width, height) > 16;
    for (let i = 0; i < tiles.count; i++) {
      const at = tiles.index[i]!, slot = tiles.slot[i]!;
      const left = Math.round(points[2 * at]! * sx + ox - w / 2), top = Math.round(oy - points[2 * at + 1]! * sy - h / 2);
      pen.fillStyle = `rgb(${colours[4 * at]} ${colours[4 * at + 1]} ${colours[4 * at + 2]})`;
      pen.fillRect(left - edge, top - edge, w + 2 * edge, h + 2 * edge);
      pen.drawImage(atlas.canvas, (slot % SLOTS_ACROSS) * width, Math.floor(slot / SLOTS_ACROSS) * height, width, height, left, top, w, h);
    }
    pen.globalAlpha = 1;
  }

  dispose(): void {
    this.image = null;
    this.pixels = new Uint32Array(0);
    this.canvas.width = this.canvas.height = 1;
  }
}
