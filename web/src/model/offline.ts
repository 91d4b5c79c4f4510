// The model is in the page itself: an exported file holds samples, codes and weights, and the page runs the networks.
import { floats, type Message } from "../api/tensors";
import type { Inverse, ModelInfo } from "../api/types";
import { Display, reduced } from "../offline/display";
import { prepared } from "../offline/drawing";
import { compile, type Batch, type Layer } from "../offline/graph";
import { corrupt, normal, uniform } from "../offline/noise";
import type { Explorer, Samples } from "./explorer";
import { parse } from "./expression";

const TILE = 32; // pixels of a thumbnail's longer side, at most

/** What src/narrows/export/page.py writes beside the tensors. */
interface Content {
  info: ModelInfo;
  graph: { encoder: Layer[]; decoder: Layer[] } | null;
  /** Why there is no graph, in a sentence. */
  why: string;
  names: { pca: [string, string]; tsne: [string, string] };
  labels: (string | null)[];
  ids: string[];
  label_names: string[] | null;
  error_unit: string;
  score_unit: string;
}

export function offline(message: Message): Explorer {
  const content = message.meta as unknown as Content;
  const { info, graph } = content;
  const k = info.latent_dim;
  const x = message.tensors["x"] as Samples, codes = floats(message, "z").data;
  const reconstructions = message.tensors["reconstruction"] as Samples | undefined;
  const error = floats(message, "error").data, count = error.length;
  const ids = content.ids.every((id, i) => id === String(i)) ? null : content.ids;
  const centre = Float32Array.from(info.dims, (dim) => dim.centre);
  const display = new Display(info, { offset: floats(message, "offset").data, factor: floats(message, "factor").data });
  const run = graph && { encode: compile(graph.encoder, message.tensors), decode: compile(graph.decoder, message.tensors) };

  const networks = () => {
    if (run === null) throw new Error(content.why);
    return run;
  };
  const decoded = (z: Float32Array): Samples => display.shown(networks().decode({ shape: [z.length / k, k], data: z }));
  const at = (samples: Samples, row: number): Samples => {
    if (!Number.isInteger(row) || row < 0 || row >= count) {
      throw new Error(`This page holds the samples 0 to ${count - 1}; got ${row}.`);
    }
    const size = samples.data.length / count;
    return { shape: [1, ...samples.shape.slice(1)], data: samples.data.slice(row * size, (row + 1) * size) };
  };
  const code = (row: number): Float32Array => codes.subarray(row * k, (row + 1) * k);
  const reconstructed = (row: number): Samples => (reconstructions === undefined ? decoded(code(row)) : at(reconstructions, row));
  const sum = (rows: number[], weights: number[]): Float32Array => {
    const z = new Float32Array(k);
    rows.forEach((row, i) => code(row).forEach((value, d) => { z[d]! += weights[i]! * value; }));
    return z;
  };
  const known = (split: string) => {
    if (split !== info.default_split) throw new Error(`This page holds samples of ${info.default_split} alone; got ${split}.`);
  };
  /** The rows of a term: of a class all, by its name. */
  const rowsOf = (index: number[], label: string | null): number[] => {
    if (label === null) {
      index.forEach((row) => at(x, row));
      return index;
    }
    const rows = content.labels.flatMap((name, row) => (name === label ? [row] : []));
    if (rows.length === 0) throw new Error(`No sample of this page has the label ${label}.`);
    return rows;
  };

  /** Of the sample whose noise changes: it stays the same. */
  let kept: { key: number | Float32Array; reconstruction: Batch } | null = null;

  const explorer: Explorer = {
    info,
    async decode(z) {
      return decoded(z);
    },
    async encode(samples) {
      return networks().encode(display.values(samples)).data;
    },
    async codes(split, map) {
      known(split);
      const rows = Int32Array.from({ length: count }, (_, i) => i);
      if (map.startsWith("dims")) {
        const dims = map.slice(5).split(",").map(Number);
        const points = Float32Array.from({ length: 2 * count }, (_, i) => {
          const dim = dims[i % 2];
          return dim === undefined ? 0 : codes[(i >> 1) * k + dim]!; // codes of one dimension lie on a line
        });
        const names = [0, 1].map((i) => info.dims[dims[i] ?? k]?.name ?? "") as [string, string];
        return { points, rows, names, inverse: { kind: "dims", dims: dims as [number, number] }, centre };
      }
      if (map === "tsne") {
        return { points: floats(message, "tsne").data, rows, names: content.names.tsne, inverse: { kind: "neighbours" }, centre };
      }
      const points = floats(message, "pca").data;
      const axes = message.tensors["pca_components"]?.data;
      const inverse: Inverse = axes === undefined ? { kind: "neighbours" } : {
        kind: "linear", mean: [...floats(message, "pca_mean").data],
        components: [[...axes.subarray(0, k)], [...axes.subarray(k, 2 * k)]],
      };
      return { points, rows, names: content.names.pca, inverse, centre };
    },
    async values(split) {
      known(split);
      const labels = message.tensors["labels"]?.data;
      return {
        rows: Int32Array.from({ length: count }, (_, i) => i),
        labels: labels instanceof Int32Array || labels instanceof Float32Array ? labels : null,
        error, score: floats(message, "score").data, labelNames: content.label_names, ids,
        errorUnit: content.error_unit, scoreUnit: content.score_unit,
      };
    },
    async samples(split, rows) {
      known(split);
      const z = new Float32Array(rows.length * k);
      rows.forEach((row, i) => z.set(code(row), i * k));
      return {
        x: together(rows.map((row) => at(x, row))),
        reconstruction: run === null && reconstructions === undefined ? together(rows.map((row) => at(x, row))) : together(rows.map(reconstructed)),
        z, error: Float32Array.from(rows, (row) => error[row]!), labels: rows.map((row) => content.labels[row] ?? null),
        ids: rows.map((row) => content.ids[row] ?? String(row)),
      };
    },
    async blend(split, rows, weights) {
      known(split);
      const z = sum(rows, weights);
      return { x: decoded(z), z };
    },
    async combine(split, terms) {
      known(split);
      const parts = "expression" in terms ? parse(terms.expression) : terms.rows.map((row, i) => ({ weight: terms.weights[i]!, index: [row], label: null }));
      const rows: number[] = [], weights: number[] = [];
      for (const { weight, index, label } of parts) {
        const members = rowsOf(index, label);
        for (const row of members) {
          rows.push(row);
          weights.push(weight / members.length);
        }
      }
      const z = sum(rows, weights);
      const whole = networks().decode({ shape: [1, k], data: z }), plain = new Float32Array(whole.data.length);
      rows.forEach((row, i) => display.values(at(x, row)).data.forEach((value, j) => { plain[j]! += weights[i]! * value; }));
      let nearest = 0, least = Infinity;
      for (let row = 0; row < count; row++) {
        const distance = apart(code(row), z);
        if (distance < least) [nearest, least] = [row, distance];
      }
      const [low, high] = info.limits;
      const numbers: Record<string, number> = {
        "length of the code from the centre": apart(z, centre), "distance of the nearest code": least, "nearest row": nearest,
      };
      if (info.kind === "image") {
        numbers["values clipped, share"] = whole.data.filter((value) => value < low || value > high).length / whole.data.length;
      }
      return { decoded: display.shown(whole), plain: display.shown({ shape: whole.shape, data: plain }), numbers };
    },
    async denoise(source, corruption, strength, seed) {
      if ("split" in source) known(source.split);
      const input = "split" in source ? display.values(at(x, source.row)) : { shape: [1, ...info.shape], data: source.input.data };
      const noisy = { shape: input.shape, data: corrupt(input.data, corruption, strength, seed) };
      const { encode, decode } = networks();
      const key = "split" in source ? source.row : source.input.data;
      if (kept?.key !== key) kept = { key, reconstruction: decode(encode(input)) };
      const { reconstruction } = kept, denoised = decode(encode(noisy));
      const squares = (other: { data: Float32Array }) => other.data.reduce((total, value, i) => total + (value - input.data[i]!) ** 2, 0);
      return {
        input: display.shown(input), reconstruction: display.shown(reconstruction), noisy: display.shown(noisy),
        denoised: display.shown(denoised),
        numbers: { reconstruction: squares(reconstruction), noisy: squares(noisy), denoised: squares(denoised) },
      };
    },
    async interpolate(split, a, b, t, way) {
      known(split);
      const z = new Float32Array(t.length * k);
      t.forEach((share, i) => z.set(between(code(a), code(b), centre, share, way), i * k));
      return { x: decoded(z), z };
    },
    async generate({ n, sampler, temperature, seed }) {
      const draw = normal(uniform(seed)), z = new Float32Array(n * k);
      const root = sampler === "prior" ? null : floats(message, "gaussian_root").data;
      const mean = sampler === "prior" ? centre : floats(message, "gaussian_mean").data;
      for (let i = 0; i < n; i++) {
        const noise = Float32Array.from({ length: k }, draw);
        for (let d = 0; d < k; d++) {
          const step = root === null ? noise[d]! : noise.reduce((total, value, e) => total + root[d * k + e]! * value, 0);
          z[i * k + d] = mean[d]! + temperature * step;
        }
      }
      return { x: decoded(z), z };
    },
    close: () => undefined,
  };
  if (info.kind === "image") {
    explorer.thumbnails = async (split, from, to) => {
      known(split);
      const size = x.data.length / count;
      return reduced({ shape: [Math.min(to, count) - from, ...x.shape.slice(1)], data: x.data.slice(from * size, to * size) }, TILE);
    };
    explorer.prepare = (picture, draw) => prepared(picture, draw, x, info, display);
  }
  if (info.kind === "table") {
    explorer.prepare = async (row) => {
      if (row instanceof Blob) throw new Error("A row of a table is no picture.");
      return { x: row, input: display.values(row) };
    };
  }
  return explorer;
}

function together(samples: Samples[]): Samples {
  const first = samples[0]!, size = first.data.length;
  const data = first.data instanceof Uint8Array ? new Uint8Array(size * samples.length) : new Float32Array(size * samples.length);
  samples.forEach((sample, i) => data.set(sample.data, i * size));
  return { shape: [samples.length, ...first.shape.slice(1)], data };
}

function apart(a: Float32Array, b: Float32Array): number {
  return Math.sqrt(a.reduce((total, value, i) => total + (value - b[i]!) ** 2, 0));
}

function scaled(a: Float32Array, factor: number): Float32Array {
  return a.map((value) => value * factor);
}

function plus(a: Float32Array, b: Float32Array): Float32Array {
  return a.map((value, i) => value + b[i]!);
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((total, value, i) => total + value * b[i]!, 0);
}

/** On the way from a to b, straight or around a centre (Shoemake 1985): src/narrows/analyses/interpolation.py. */
export function between(
  a: Float32Array, b: Float32Array, centre: Float32Array, t: number, way: "linear" | "spherical",
): Float32Array {
  const straight = () => plus(scaled(a, 1 - t), scaled(b, t));
  if (way === "linear" || a.length === 1 || t === 0 || t === 1) return straight();
  const u = plus(a, scaled(centre, -1)), v = plus(b, scaled(centre, -1));
  const [p, q] = [Math.sqrt(dot(u, u)), Math.sqrt(dot(v, v))];
  if (Math.min(p, q) === 0) return straight();
  const first = scaled(u, 1 / p), second = scaled(v, 1 / q);
  const cosine = Math.min(1, Math.max(-1, dot(first, second))), angle = Math.acos(cosine);
  let across = plus(second, scaled(first, -cosine));
  if (Math.sqrt(dot(across, across)) < 1e-9) { // opposite, or the same direction: any way around is as good
    const smallest = first.reduce((best, value, i) => (Math.abs(value) < Math.abs(first[best]!) ? i : best), 0);
    across = Float32Array.from(first, (_, i) => Number(i === smallest));
    across = plus(across, scaled(first, -dot(across, first)));
  }
  across = scaled(across, 1 / Math.sqrt(dot(across, across)));
  const turned = plus(scaled(first, Math.cos(t * angle)), scaled(across, Math.sin(t * angle)));
  return plus(centre, scaled(turned, (1 - t) * p + t * q));
}

