// Calls with a sequence number over any channel of binary messages: the socket and the notebook use the same.
import { floats, integers, type Message, type Tensor } from "../api/tensors";
import type { Inverse, ModelInfo } from "../api/types";
import {
  Superseded, type Codes, type Combined, type Denoised, type Explorer, type Looked, type Prepared, type Samples,
  type Source, type Values,
} from "./explorer";

export interface Channel {
  send(message: Message): void;
}

interface Waiting {
  lane: string;
  resolve: (message: Message) => void;
  reject: (error: Error) => void;
}

/** Sends calls and gives each the answer with its number; of a lane only the newest call is answered. */
export class Calls {
  private next = 1;
  private readonly waiting = new Map<number, Waiting>();
  private readonly channel: Channel;

  constructor(channel: Channel) {
    this.channel = channel;
  }

  call(name: string, args: Record<string, unknown> = {}, tensors: Record<string, Tensor> = {}): Promise<Message> {
    const seq = this.next++;
    const lane = (args["lane"] as string | undefined) ?? name;
    return new Promise((resolve, reject) => {
      this.waiting.set(seq, { lane, resolve, reject });
      this.channel.send({ meta: { ...args, lane, seq, do: name }, tensors });
    });
  }

  receive(message: Message): void {
    const seq = message.meta["seq"] as number;
    const waiting = this.waiting.get(seq);
    if (waiting === undefined) return;
    this.waiting.delete(seq);
    for (const [older, other] of this.waiting) {
      if (older < seq && other.lane === waiting.lane) {
        this.waiting.delete(older); // the server dropped it for this one
        other.reject(new Superseded());
      }
    }
    const error = message.meta["error"] as string | undefined;
    if (error === undefined) waiting.resolve(message);
    else waiting.reject(new Error(error));
  }

  /** Nothing will be answered any more. */
  fail(error: Error): void {
    const all = [...this.waiting.values()];
    this.waiting.clear();
    for (const { reject } of all) reject(error);
  }
}

export function samplesOf(message: Message, name = "x"): Samples {
  const tensor = message.tensors[name];
  if (tensor === undefined || tensor.data instanceof Int32Array) throw new Error(`the answer has no ${name}`);
  return { shape: tensor.shape, data: tensor.data };
}

/** The verbs that are calls on every channel. */
export function verbs(info: ModelInfo, calls: Calls): Pick<
  Explorer, "decode" | "encode" | "blend" | "combine" | "interpolate" | "denoise" | "generate" | "nearest"
> {
  const k = info.latent_dim;
  const codes = (z: Float32Array): Tensor => ({ shape: [z.length / k, k], data: z });
  return {
    async decode(z, options = {}) {
      return samplesOf(await calls.call("decode", { ...options }, { z: codes(z) }));
    },
    async encode(x) {
      return floats(await calls.call("encode", {}, { x }), "z").data;
    },
    async blend(split, rows, weights, lane = "decode") {
      const message = await calls.call("decode", { split, lane }, {
        rows: { shape: [rows.length], data: Int32Array.from(rows) },
        weights: { shape: [weights.length], data: Float32Array.from(weights) },
      });
      return { x: samplesOf(message), z: floats(message, "z").data };
    },
    async combine(split, terms): Promise<Combined> {
      const message = await calls.call("combine", { split, ...terms });
      return {
        decoded: samplesOf(message, "decoded"), plain: samplesOf(message, "plain"), numbers: numbersOf(message),
      };
    },
    async interpolate(split, a, b, t, way, lane = "interpolate") {
      const message = await calls.call("interpolate", { split, a, b, t, way, lane });
      return { x: samplesOf(message), z: floats(message, "z").data };
    },
    async denoise(source: Source, corruption, strength, seed): Promise<Denoised> {
      const given: Record<string, Tensor> = "input" in source ? { input: source.input } : {};
      const args = "input" in source ? {} : source;
      const message = await calls.call("denoise", { ...args, corruption, strength, seed }, given);
      const part = (name: string) => samplesOf(message, name);
      return {
        input: part("input"), reconstruction: part("reconstruction"), noisy: part("noisy"), denoised: part("denoised"),
        numbers: numbersOf(message),
      };
    },
    async generate(options) {
      const message = await calls.call("generate", options);
      return { x: samplesOf(message), z: floats(message, "z").data };
    },
    async nearest(of) {
      const message = await calls.call("nearest", {}, "x" in of ? { x: of.x } : { z: codes(of.z) });
      return {
        x: samplesOf(message), rows: integers(message, "rows").data, distance: floats(message, "distance").data,
      };
    },
  };
}

export function numbersOf(message: Message): Record<string, number> {
  return (message.meta["numbers"] ?? {}) as Record<string, number>;
}

export function codesOf(message: Message): Codes {
  return {
    points: floats(message, "points").data,
    rows: integers(message, "rows").data,
    names: message.meta["names"] as [string, string],
    inverse: message.meta["inverse"] as Inverse,
    centre: Float32Array.from(message.meta["centre"] as number[]),
  };
}

export function valuesOf(message: Message): Values {
  const labels = message.tensors["labels"]?.data;
  return {
    rows: integers(message, "rows").data,
    labels: labels instanceof Int32Array || labels instanceof Float32Array ? labels : null,
    error: floats(message, "error").data,
    score: floats(message, "score").data,
    labelNames: (message.meta["label_names"] ?? null) as string[] | null,
    ids: (message.meta["ids"] ?? null) as string[] | null,
    errorUnit: message.meta["error_unit"] as string,
    scoreUnit: message.meta["score_unit"] as string,
  };
}

export function lookedOf(message: Message): Looked {
  return {
    x: samplesOf(message),
    reconstruction: samplesOf(message, "reconstruction"),
    z: floats(message, "z").data,
    error: floats(message, "error").data,
    labels: message.meta["labels"] as (string | null)[],
    ids: message.meta["ids"] as string[],
  };
}

export function preparedOf(message: Message): Prepared {
  const { shape, data } = floats(message, "input");
  return { x: samplesOf(message), input: { shape, data } };
}
