// A model in one's hands. Views use this interface and do not know where the model is: on the server (socket), in a
// notebook (jupyter), or in the exported page itself (offline). What a transport cannot do is undefined.
import type { Inverse, ModelInfo } from "../api/types";

/** Samples as they are drawn: U8 grey (n,h,w) or colour (n,h,w,3) of images, F32 (n,T,D) or (n,D) in the user's units. */
export interface Samples {
  shape: number[];
  data: Uint8Array | Float32Array;
}

export interface Decoder {
  readonly info: ModelInfo;
  /** What codes decode to: z (n * latent_dim). Rejects with `Superseded` where a newer call took its place. */
  decode(z: Float32Array, options?: { y?: number; lane?: string }): Promise<Samples>;
  /** The codes of samples: (n * latent_dim). */
  encode(x: Samples): Promise<Float32Array>;
}

export interface Codes {
  points: Float32Array;
  rows: Int32Array;
  names: [string, string];
  inverse: Inverse;
  centre: Float32Array;
}

export interface Values {
  rows: Int32Array;
  labels: Int32Array | Float32Array | null;
  error: Float32Array;
  score: Float32Array;
  labelNames: string[] | null;
  /** What the samples are called, where that is more than their number. */
  ids: string[] | null;
  errorUnit: string;
  scoreUnit: string;
}

export interface Looked {
  x: Samples;
  reconstruction: Samples;
  z: Float32Array;
  error: Float32Array;
  labels: (string | null)[];
  ids: string[];
}

export interface Combined {
  decoded: Samples;
  plain: Samples;
  numbers: Record<string, number>;
}

export interface Denoised {
  input: Samples;
  reconstruction: Samples;
  noisy: Samples;
  denoised: Samples;
  numbers: Record<string, number>;
}

export interface Prepared {
  x: Samples;
  /** On the model's scale, for `denoise`. */
  input: { shape: number[]; data: Float32Array };
}

export type Source = { split: string; row: number } | { input: Prepared["input"] };

export interface Explorer extends Decoder {
  codes(split: string, map: string, signal: AbortSignal, waiting: (sentence: string) => void): Promise<Codes>;
  values(split: string, signal: AbortSignal): Promise<Values>;
  samples(split: string, rows: number[]): Promise<Looked>;
  /** Small pictures (n,h,w[,3]) of the samples at positions [from, to) of `codes`; undefined where samples are no images. */
  thumbnails?(split: string, from: number, to: number, signal: AbortSignal): Promise<Samples>;
  /** What the weighted mean of samples' codes decodes to: for maps that have no inverse of their own. */
  blend(split: string, rows: number[], weights: number[], lane?: string): Promise<{ x: Samples; z: Float32Array }>;
  combine(
    split: string, terms: ({ rows: number[]; weights: number[] } | { expression: string }) & { lane?: string },
  ): Promise<Combined>;
  interpolate?(
    split: string, a: number, b: number, t: number[], way: "linear" | "spherical", lane?: string,
  ): Promise<{ x: Samples; z: Float32Array }>;
  denoise(source: Source, corruption: string, strength: number, seed: number): Promise<Denoised>;
  generate?(
    options: { n: number; sampler: string; temperature: number; seed: number; y?: number },
  ): Promise<{ x: Samples; z: Float32Array }>;
  /** The training samples nearest to what codes decode to, or to rows, which may have been drawn there. */
  nearest?(of: { z: Float32Array } | { x: Samples }): Promise<{ x: Samples; rows: Int32Array; distance: Float32Array }>;
  /** A picture file, a drawing (h,w) of white ink on black, or a table's row (1,D), brought to the form of the data. */
  prepare?(picture: Blob | Samples, draw: boolean): Promise<Prepared>;
  save?(name: string, kind: string, call: Record<string, unknown>): Promise<{ file: string }>;
  close(): void;
}

/** Rejects a call whose place a newer one has taken; nothing is to be said of it. */
export class Superseded extends Error {
  constructor() {
    super("superseded");
    this.name = "Superseded";
  }
}

export function isSuperseded(error: unknown): boolean {
  return error instanceof Superseded || (error instanceof DOMException && error.name === "AbortError");
}
