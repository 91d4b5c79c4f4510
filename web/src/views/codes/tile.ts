// Samples drawn straight on a canvas, many a second: an image as pixels, a sequence as lines, a table's row as bars.
import type { ModelInfo } from "../../api/types";
import type { Samples } from "../../model/explorer";
import { rangeOf, COLOURS } from "../../draw/lines";
import { colour } from "../../state/theme";

type Info = Pick<ModelInfo, "kind" | "distribution">;

/** The size of one sample's drawing, in pixels: an image's own, else what suits lines and bars. */
export function extentOf(info: Pick<ModelInfo, "kind" | "shape">, x: Samples | null, unit: number): [number, number] {
  if (info.kind === "image") return x === null ? [1, 1] : [x.shape[2] ?? 1, x.shape[1] ?? 1];
  return [unit, Math.round(unit * 0.56)];
}

/** Draws samples of one model into cells of a canvas; keeps what it needs from one to the next. */
export class TilePen {
  private image: ImageData | null = null;
  private readonly colours: string[];
  private readonly accent: string;
  private readonly faint: string;

  constructor(private readonly pen: CanvasRenderingContext2D, private readonly info: Info) {
    const style = (name: string) => colour(name, pen.canvas);
    this.colours = Array.from({ length: COLOURS }, (_, i) => style(`class-${i}`));
    this.accent = style("accent");
    this.faint = style("rule");
  }

  static on(canvas: HTMLCanvasElement, info: Info): TilePen | null {
    const pen = canvas.getContext("2d", { willReadFrequently: info.kind === "image" }); // pixels come from the processor
    return pen === null ? null : new TilePen(pen, info);
  }

  /** The i-th sample in a cell; `range` for lines, so that several cells share it. */
  draw(x: Samples, i: number, left: number, top: number, width: number, height: number, range: [number, number] | null = null): void {
    if (this.info.kind === "image") return this.pixels(x, i, left, top);
    this.pen.clearRect(left, top, width, height);
    if (this.info.kind === "sequence") this.lines(x, i, left, top, width, height, range ?? rangeOf([x]));
    else this.bars(x, i, left, top, width, height);
  }

  private pixels({ shape, data }: Samples, i: number, left: number, top: number): void {
    const [, height = 1, width = 1, channels = 1] = shape;
    if (this.image === null || this.image.width !== width || this.image.height !== height) {
      this.image = new ImageData(width, height);
      this.image.data.fill(255);
    }
    const out = this.image.data, size = width * height;
    let from = i * size * channels;
    for (let j = 0; j < 4 * size; j += 4, from += channels) {
      out[j] = data[from]!;
      out[j + 1] = data[channels === 3 ? from + 1 : from]!;
      out[j + 2] = data[channels === 3 ? from + 2 : from]!;
    }
    this.pen.putImageData(this.image, left, top);
  }

  private lines({ shape, data }: Samples, i: number, left: number, top: number, width: number, height: number, [low, high]: [number, number]): void {
    const [, steps = 1, channels = 1] = shape;
    const { pen } = this;
    const gap = Math.min(4, width / 12), from = i * steps * channels;
    pen.lineWidth = Math.max(1, Math.min(2, width / 90));
    for (let channel = 0; channel < channels; channel++) {
      pen.strokeStyle = this.colours[channel % COLOURS]!;
      pen.beginPath();
      for (let t = 0; t < steps; t++) {
        const value = data[from + t * channels + channel]!;
        if (Number.isNaN(value)) break; // beyond the end of a shorter sequence
        const px = left + gap + (t / Math.max(1, steps - 1)) * (width - 2 * gap);
        pen.lineTo(px, top + height - gap - ((value - low) / (high - low)) * (height - 2 * gap));
      }
      pen.stroke();
    }
  }

  private bars({ shape, data }: Samples, i: number, left: number, top: number, width: number, height: number): void {
    const gap = Math.min(6, width / 16);
    left += gap;
    top += gap;
    width -= 2 * gap;
    height -= 2 * gap;
    this.pen.fillStyle = this.faint;
    this.pen.fillRect(left, top + height, width, 1);
    const n = shape[1] ?? 1, step = width / n;
    this.pen.fillStyle = this.accent;
    for (let c = 0; c < n; c++) {
      const { quantiles } = this.info.distribution[c] ?? { quantiles: [0, 1] };
      const low = quantiles[0] ?? 0, high = quantiles.at(-1) ?? 1;
      const share = Math.min(1, Math.max(0.02, (data[i * n + c]! - low) / (high - low || 1)));
      this.pen.fillRect(left + c * step, top + height * (1 - share), Math.max(0.5, step - 1), height * share);
    }
  }
}

/** Several samples in a grid, one canvas for all; returns the size of a cell. */
export function drawGrid(canvas: HTMLCanvasElement, info: Info & Pick<ModelInfo, "shape">, x: Samples, across: number, unit: number): [number, number] {
  const n = x.shape[0] ?? 0, [width, height] = extentOf(info, x, unit);
  const w = across * width, h = Math.ceil(n / across) * height;
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
  }
  const pen = TilePen.on(canvas, info), range = info.kind === "sequence" ? rangeOf([x]) : null;
  for (let i = 0; i < n; i++) pen?.draw(x, i, (i % across) * width, Math.floor(i / across) * height, width, height, range);
  return [width, height];
}
