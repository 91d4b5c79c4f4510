// Networks as lists of layers, executed in the page: what src/narrows/export writes of a fitted module.
import type { Tensor } from "../api/tensors";

/** n samples of one shape: (n, ...shape), row by row. */
export interface Batch {
  shape: number[];
  data: Float32Array;
}

export interface Layer {
  op: string;
  [setting: string]: unknown;
}

type Step = (x: Batch) => Batch;
type Weights = Record<string, Tensor>;

/** The function that layers stand for. Throws where one is not known. */
export function compile(layers: Layer[], weights: Weights): Step {
  const steps = layers.map((layer) => {
    const make = OPS[layer.op];
    if (make === undefined) throw new Error(`the page does not know the layer ${layer.op}`);
    return make(layer, weights);
  });
  return (x) => steps.reduce((value, step) => step(value), x);
}

function size(shape: number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

function weight(weights: Weights, name: unknown): Tensor<Float32Array> {
  const tensor = weights[name as string];
  if (!(tensor?.data instanceof Float32Array)) throw new Error(`the page has no weights ${String(name)}`);
  return tensor as Tensor<Float32Array>;
}

function optional(weights: Weights, name: unknown): Float32Array | null {
  return name === null || name === undefined ? null : weight(weights, name).data;
}

function values(f: (x: number) => number): Step {
  return ({ shape, data }) => ({ shape, data: data.map(f) });
}

const OPS: Record<string, (layer: Layer, weights: Weights) => Step> = {
  linear,
  conv: convolution,
  conv_transpose: transposed,
  pool,
  upsample,
  sum: (layer, weights) => {
    const branches = (layer["branches"] as Layer[][]).map((branch) => compile(branch, weights));
    return (x) => {
      const [first, ...others] = branches.map((branch) => branch(x));
      const { shape, data } = first!;
      const out = Float32Array.from(data);
      for (const other of others) for (let i = 0; i < out.length; i++) out[i]! += other.data[i]!;
      return { shape, data: out };
    };
  },
  flatten: () => ({ shape, data }) => ({ shape: [shape[0]!, size(shape.slice(1))], data }),
  reshape: (layer) => ({ shape, data }) => ({ shape: [shape[0]!, ...(layer["shape"] as number[])], data }),
  transpose: () => ({ shape: [n, a, b], data }) => {
    const out = new Float32Array(data.length), rows = a!, columns = b!;
    for (let s = 0; s < n!; s++) {
      const at = s * rows * columns;
      for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[at + j * rows + i] = data[at + i * columns + j]!;
    }
    return { shape: [n!, columns, rows], data: out };
  },
  first: (layer) => ({ shape: [n, all], data }) => {
    const kept = layer["size"] as number, out = new Float32Array(n! * kept);
    for (let s = 0; s < n!; s++) out.set(data.subarray(s * all!, s * all! + kept), s * kept);
    return { shape: [n!, kept], data: out };
  },
  activation: (layer) => values(activation(layer)),
  logit: (layer) => {
    const eps = layer["eps"] as number;
    return values((x) => logit(Math.min(1 - eps, Math.max(eps, x))));
  },
  atanh: (layer) => {
    const end = 1 - (layer["eps"] as number);
    return values((x) => Math.atanh(Math.min(end, Math.max(-end, x))));
  },
  discretized_logistic: (layer) => {
    const scale = layer["scale"] as number;
    return values((x) => Math.min(1, Math.max(0, 1 - scale * (softplus((1 - x) / scale) - softplus(-x / scale)))));
  },
  channels: (layer, weights) => {
    const factor = weight(weights, layer["factor"]).data, shift = weight(weights, layer["shift"]).data;
    return ({ shape, data }) => {
      const per = size(shape.slice(2)), channels = factor.length;
      return { shape, data: data.map((x, i) => { const c = Math.floor(i / per) % channels; return x * factor[c]! + shift[c]!; }) };
    };
  },
  layer_norm: (layer, weights) => {
    const length = layer["size"] as number;
    return normalised(layer, weights, () => length, (i) => i % length);
  },
  group_norm: (layer, weights) => (x) => {
    const per = size(x.shape.slice(2)), channels = x.shape[1]!;
    const length = (channels / (layer["groups"] as number)) * per;
    return normalised(layer, weights, () => length, (i) => Math.floor(i / per) % channels)(x);
  },
};

/** x W^T + b: each weight is read once for all samples. */
function linear(layer: Layer, weights: Weights): Step {
  const { shape: [outs = 0, ins = 0], data: w } = weight(weights, layer["weight"]);
  const bias = optional(weights, layer["bias"]);
  return ({ shape: [n = 0], data }) => {
    const out = new Float32Array(n * outs);
    for (let o = 0; o < outs; o++) {
      const row = o * ins, start = bias === null ? 0 : bias[o]!;
      for (let s = 0; s < n; s++) {
        const at = s * ins;
        let a = start, b = 0, c = 0, d = 0, i = 0; // four sums, so that none waits for the one before
        for (; i + 3 < ins; i += 4) {
          a += w[row + i]! * data[at + i]!;
          b += w[row + i + 1]! * data[at + i + 1]!;
          c += w[row + i + 2]! * data[at + i + 2]!;
          d += w[row + i + 3]! * data[at + i + 3]!;
        }
        for (; i < ins; i++) a += w[row + i]! * data[at + i]!;
        out[s * outs + o] = a + b + c + d;
      }
    }
    return { shape: [n, outs], data: out };
  };
}

/** Sequences (n, C, T) are images of height 1. */
function asImage({ shape, data }: Batch): { n: number; c: number; h: number; w: number; data: Float32Array; flat: boolean } {
  const flat = shape.length === 3;
  return { n: shape[0]!, c: shape[1]!, h: flat ? 1 : shape[2]!, w: shape[flat ? 2 : 3]!, data, flat };
}

function asGiven(n: number, c: number, h: number, w: number, data: Float32Array, flat: boolean): Batch {
  return { shape: flat ? [n, c, w] : [n, c, h, w], data };
}

/** The positions of one axis [from, to) for which `position * stride + offset` lies in [0, length). */
function within(count: number, stride: number, offset: number, length: number): [number, number] {
  return [Math.max(0, Math.ceil(-offset / stride)), Math.min(count, Math.ceil((length - offset) / stride))];
}

function filled(n: number, channels: number, per: number, bias: Float32Array | null): Float32Array {
  const out = new Float32Array(n * channels * per);
  if (bias !== null) for (let i = 0; i < n * channels; i++) out.fill(bias[i % channels]!, i * per, (i + 1) * per);
  return out;
}

function convolution(layer: Layer, weights: Weights): Step {
  const { shape: [outs = 0, ins = 0, kh = 1, kw = 1], data: kernel } = weight(weights, layer["weight"]);
  const [sy, sx] = layer["stride"] as [number, number], [py, px] = layer["padding"] as [number, number];
  const bias = optional(weights, layer["bias"]);
  if (sy === 1 && sx === 1) return strips(outs, ins, kh, kw, kernel, bias, py, px);
  return (x) => {
    const { n, h, w, data, flat } = asImage(x);
    const oh = Math.floor((h + 2 * py - kh) / sy) + 1, ow = Math.floor((w + 2 * px - kw) / sx) + 1;
    const out = filled(n, outs, oh * ow, bias);
    for (let s = 0; s < n; s++) for (let o = 0; o < outs; o++) for (let i = 0; i < ins; i++) {
      const source = (s * ins + i) * h * w, target = (s * outs + o) * oh * ow, from = (o * ins + i) * kh * kw;
      for (let ky = 0; ky < kh; ky++) for (let kx = 0; kx < kw; kx++) {
        const factor = kernel[from + ky * kw + kx]!;
        const [y0, y1] = within(oh, sy, ky - py, h), [x0, x1] = within(ow, sx, kx - px, w);
        for (let y = y0; y < y1; y++) {
          const row = source + (y * sy + ky - py) * w + kx - px, to = target + y * ow;
          for (let column = x0; column < x1; column++) out[to + column]! += factor * data[row + column * sx]!;
        }
      }
    }
    return asGiven(n, outs, oh, ow, out, flat);
  };
}

/**
 * A convolution of stride 1, over padded images as one long strip each: the same step of the kernel meets all pixels in
 * one loop, and what is computed beyond a row's end is left out at last. Several times as fast as row by row.
 */
function strips(
  outs: number, ins: number, kh: number, kw: number, kernel: Float32Array, bias: Float32Array | null, py: number, px: number,
): Step {
  return (x) => {
    const { n, h, w, data, flat } = asImage(x);
    const ph = h + 2 * py, pw = w + 2 * px, oh = ph - kh + 1, ow = pw - kw + 1, length = (oh - 1) * pw + ow;
    const out = new Float32Array(n * outs * oh * ow), padded = new Float64Array(ins * ph * pw), strip = new Float64Array(length);
    for (let s = 0; s < n; s++) {
      for (let i = 0; i < ins; i++) for (let y = 0; y < h; y++) {
        const from = ((s * ins + i) * h + y) * w;
        padded.set(data.subarray(from, from + w), (i * ph + y + py) * pw + px);
      }
      for (let o = 0; o < outs; o++) {
        strip.fill(bias === null ? 0 : bias[o]!);
        for (let row = 0; row < ins * kh; row++) {
          const at = Math.floor(row / kh) * ph * pw + (row % kh) * pw, taps = (o * ins * kh + row) * kw;
          if (kw === 3) three(strip, padded, at, kernel[taps]!, kernel[taps + 1]!, kernel[taps + 2]!);
          else for (let t = 0; t < kw; t++) one(strip, padded, at + t, kernel[taps + t]!);
        }
        for (let y = 0; y < oh; y++) out.set(strip.subarray(y * pw, y * pw + ow), ((s * outs + o) * oh + y) * ow);
      }
    }
    return asGiven(n, outs, oh, ow, out, flat);
  };
}

function one(strip: Float64Array, padded: Float64Array, at: number, a: number): void {
  for (let j = 0; j < strip.length; j++) strip[j]! += a * padded[at + j]!;
}

function three(strip: Float64Array, padded: Float64Array, at: number, a: number, b: number, c: number): void {
  for (let j = 0; j < strip.length; j++) strip[j]! += a * padded[at + j]! + b * padded[at + j + 1]! + c * padded[at + j + 2]!;
}

function transposed(layer: Layer, weights: Weights): Step {
  const { shape: [ins = 0, outs = 0, kh = 1, kw = 1], data: kernel } = weight(weights, layer["weight"]);
  const [sy, sx] = layer["stride"] as [number, number], [py, px] = layer["padding"] as [number, number];
  const [ey, ex] = layer["extra"] as [number, number];
  const bias = optional(weights, layer["bias"]);
  return (x) => {
    const { n, h, w, data, flat } = asImage(x);
    const oh = (h - 1) * sy - 2 * py + kh + ey, ow = (w - 1) * sx - 2 * px + kw + ex;
    const out = filled(n, outs, oh * ow, bias);
    for (let s = 0; s < n; s++) for (let i = 0; i < ins; i++) for (let o = 0; o < outs; o++) {
      const source = (s * ins + i) * h * w, target = (s * outs + o) * oh * ow, from = (i * outs + o) * kh * kw;
      for (let ky = 0; ky < kh; ky++) for (let kx = 0; kx < kw; kx++) {
        const factor = kernel[from + ky * kw + kx]!;
        const [y0, y1] = within(h, sy, ky - py, oh), [x0, x1] = within(w, sx, kx - px, ow);
        for (let y = y0; y < y1; y++) {
          const to = target + (y * sy + ky - py) * ow + kx - px, row = source + y * w;
          for (let column = x0; column < x1; column++) out[to + column * sx]! += factor * data[row + column]!;
        }
      }
    }
    return asGiven(n, outs, oh, ow, out, flat);
  };
}

function pool(layer: Layer): Step {
  const [kh, kw] = layer["kernel"] as [number, number], [sy, sx] = layer["stride"] as [number, number];
  const largest = layer["kind"] === "max", round = layer["ceil"] ? Math.ceil : Math.floor;
  const count = (length: number, k: number, stride: number) => {
    const found = round((length - k) / stride) + 1;
    return (found - 1) * stride >= length ? found - 1 : found; // no window begins beyond the end
  };
  return (x) => {
    const { n, c, h, w, data, flat } = asImage(x);
    const oh = count(h, kh, sy), ow = count(w, kw, sx), out = new Float32Array(n * c * oh * ow);
    for (let m = 0, at = 0; m < n * c; m++) for (let y = 0; y < oh; y++) for (let column = 0; column < ow; column++, at++) {
      const bottom = Math.min(h, y * sy + kh), right = Math.min(w, column * sx + kw);
      let best = -Infinity, total = 0;
      for (let iy = y * sy; iy < bottom; iy++) for (let ix = column * sx; ix < right; ix++) {
        const value = data[(m * h + iy) * w + ix]!;
        best = Math.max(best, value);
        total += value;
      }
      out[at] = largest ? best : total / ((bottom - y * sy) * (right - column * sx));
    }
    return asGiven(n, c, oh, ow, out, flat);
  };
}

function upsample(layer: Layer): Step {
  const [fy, fx] = layer["factor"] as [number, number], nearest = layer["mode"] === "nearest";
  return (x) => {
    const { n, c, h, w, data, flat } = asImage(x);
    const oh = flat ? 1 : h * fy, ow = w * fx, out = new Float32Array(n * c * oh * ow);
    const place = (position: number, factor: number, length: number): [number, number, number] => {
      if (nearest) return [Math.floor(position / factor), 0, 0];
      const at = Math.max(0, (position + 0.5) / factor - 0.5), low = Math.floor(at);
      return [low, Math.min(length - 1, low + 1) - low, at - low];
    };
    for (let m = 0, to = 0; m < n * c; m++) for (let y = 0; y < oh; y++) {
      const [y0, dy, ty] = place(y, flat ? 1 : fy, h);
      for (let column = 0; column < ow; column++, to++) {
        const [x0, dx, tx] = place(column, fx, w), top = (m * h + y0) * w + x0, below = top + dy * w;
        out[to] = (1 - ty) * ((1 - tx) * data[top]! + tx * data[top + dx]!)
          + ty * ((1 - tx) * data[below]! + tx * data[below + dx]!);
      }
    }
    return asGiven(n, c, oh, ow, out, flat);
  };
}

/** Each run of `length` values to mean 0 and deviation 1, then a factor and a shift by position. */
function normalised(layer: Layer, weights: Weights, length: () => number, position: (i: number) => number): Step {
  const eps = layer["eps"] as number, factor = optional(weights, layer["weight"]), shift = optional(weights, layer["bias"]);
  return ({ shape, data }) => {
    const out = new Float32Array(data.length), run = length();
    for (let start = 0; start < data.length; start += run) {
      let sum = 0, squares = 0;
      for (let i = start; i < start + run; i++) sum += data[i]!;
      const mean = sum / run;
      for (let i = start; i < start + run; i++) squares += (data[i]! - mean) ** 2;
      const scale = 1 / Math.sqrt(squares / run + eps);
      for (let i = start; i < start + run; i++) {
        const p = position(i);
        out[i] = (data[i]! - mean) * scale * (factor === null ? 1 : factor[p]!) + (shift === null ? 0 : shift[p]!);
      }
    }
    return { shape, data: out };
  };
}

function activation(layer: Layer): (x: number) => number {
  const slope = layer["slope"] as number;
  const known: Record<string, (x: number) => number> = {
    relu: (x) => (x > 0 ? x : 0),
    leaky_relu: (x) => (x > 0 ? x : slope * x),
    elu: (x) => (x > 0 ? x : Math.expm1(x)),
    selu: (x) => 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * Math.expm1(x)),
    gelu: (x) => (x / 2) * (1 + erf(x / Math.SQRT2)),
    gelu_tanh: (x) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
    silu: (x) => x * sigmoid(x),
    tanh: Math.tanh,
    sigmoid,
    softplus,
    continuous_bernoulli: continuousBernoulli,
    continuous_bernoulli_link: continuousBernoulliLink,
  };
  const found = known[layer["name"] as string];
  if (found === undefined) throw new Error(`the page does not know the activation ${String(layer["name"])}`);
  return found;
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

function logit(x: number): number {
  return Math.log(x / (1 - x));
}

/** The error function to 1e-9: its series, and beyond 3 the continued fraction of what is left to 1. */
function erf(x: number): number {
  const size = Math.abs(x);
  if (size > 6) return Math.sign(x);
  if (size < 3) {
    let term = x, sum = x;
    for (let k = 1; Math.abs(term) > 1e-12 && k < 100; k++) {
      term *= (-x * x) / k;
      sum += term / (2 * k + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * sum;
  }
  let tail = size;
  for (let k = 30; k > 0; k--) tail = size + k / 2 / tail;
  return Math.sign(x) * (1 - Math.exp(-size * size) / Math.sqrt(Math.PI) / tail);
}

/** The mean of a continuous Bernoulli distribution by its logit (Loaiza-Ganem & Cunningham 2019, eq. 8). */
function continuousBernoulli(x: number): number {
  if (Math.abs(x) < 1e-2) return 0.5 + x / 12; // the series: what follows differs from it by less than 1e-9
  return 1 / (1 - Math.exp(-x)) - 1 / x;
}

/** The logit that gives a mean: the interval is halved, as in narrows. */
function continuousBernoulliLink(mean: number): number {
  const wanted = Math.min(0.98, Math.max(0.02, mean));
  let low = -60, high = 60;
  for (let k = 0; k < 50; k++) {
    const middle = (low + high) / 2;
    if (continuousBernoulli(middle) < wanted) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
