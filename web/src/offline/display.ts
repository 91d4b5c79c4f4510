// Samples as they are shown, and on the model's scale: src/narrows/page/display.py.
import type { ModelInfo } from "../api/types";
import type { Samples } from "../model/explorer";
import type { Batch } from "./graph";

/** Units of tables and sequences: X = x * factor + offset, feature by feature. */
export interface Units {
  offset: Float32Array;
  factor: Float32Array;
}

export class Display {
  private readonly info: ModelInfo;
  private readonly units: Units;

  constructor(info: ModelInfo, units: Units) {
    this.info = info;
    this.units = units;
  }

  /** Values on the model's scale, as they are shown. */
  shown({ shape, data }: Batch): Samples {
    if (this.info.kind !== "image") {
      const { offset, factor } = this.units, n = factor.length;
      return { shape, data: data.map((value, i) => value * factor[i % n]! + offset[i % n]!) };
    }
    const [low, high] = this.info.limits;
    const grey = data.map((value) => Math.min(1, Math.max(0, (value - low) / (high - low))));
    if (shape.length === 3) return { shape, data: Uint8Array.from(grey, level) };
    const [n = 0, channels = 1, h = 1, w = 1] = shape, per = h * w;
    const colours = channels >= 3 ? 3 : 1;
    const out = new Uint8Array(n * per * colours);
    for (let s = 0; s < n; s++) for (let p = 0; p < per; p++) {
      const at = s * channels * per + p;
      if (colours === 3) for (let c = 0; c < 3; c++) out[(s * per + p) * 3 + c] = level(grey[at + c * per]!);
      else {
        let total = 0;
        for (let c = 0; c < channels; c++) total += grey[at + c * per]!;
        out[s * per + p] = level(total / channels);
      }
    }
    return { shape: colours === 3 ? [n, h, w, 3] : [n, h, w], data: out };
  }

  /** Samples as they are shown, on the model's scale; missing values are 0. */
  values({ shape, data }: Samples): Batch {
    const n = shape[0]!;
    if (this.info.kind !== "image") {
      const { offset, factor } = this.units, f = factor.length;
      const x = Float32Array.from(data, (value, i) => (Number.isNaN(value) ? 0 : (value - offset[i % f]!) / factor[i % f]!));
      return { shape: [n, ...this.info.shape], data: x };
    }
    const [low, high] = this.info.limits;
    const scaled = Float32Array.from(data, (value) => low + (value / 255) * (high - low));
    const [channels = 1, h = 1, w = 1] = this.info.shape;
    if (this.info.shape.length === 2 || channels === 1) return { shape: [n, ...this.info.shape], data: scaled };
    const per = h * w, out = new Float32Array(scaled.length);
    for (let s = 0; s < n; s++) for (let p = 0; p < per; p++) for (let c = 0; c < channels; c++) {
      out[(s * channels + c) * per + p] = scaled[(s * per + p) * channels + c]!;
    }
    return { shape: [n, channels, h, w], data: out };
  }
}

function level(share: number): number {
  return Math.round(share * 255);
}

/** Grey or colour pictures (n,h,w[,3]) whose longer side is at most `longest`: means of blocks. */
export function reduced({ shape, data }: Samples, longest: number): Samples {
  const [n = 0, h = 1, w = 1, c = 1] = shape;
  const k = Math.ceil(Math.max(h, w) / longest);
  if (k <= 1) return { shape, data };
  const oh = Math.max(1, Math.floor(h / k)), ow = Math.max(1, Math.floor(w / k));
  const out = new Uint8Array(n * oh * ow * c);
  for (let s = 0, at = 0; s < n; s++) for (let y = 0; y < oh; y++) for (let x = 0; x < ow; x++) for (let i = 0; i < c; i++, at++) {
    let total = 0, count = 0;
    for (let iy = y * k; iy < Math.min(h, (y + 1) * k); iy++) for (let ix = x * k; ix < Math.min(w, (x + 1) * k); ix++, count++) {
      total += data[((s * h + iy) * w + ix) * c + i]!;
    }
    out[at] = Math.round(total / count);
  }
  return { shape: shape.length === 4 ? [n, oh, ow, c] : [n, oh, ow], data: out };
}
