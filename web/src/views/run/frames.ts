// The frames of a run: the same samples after every epoch. Read in parts, the wanted ones first, and kept within a bound.
import { getTensors, runPath } from "../../api/http";
import { integers, type Message } from "../../api/tensors";
import type { Column, Kind } from "../../api/types";
import type { Samples } from "../../model/explorer";

export interface Frame {
  reconstruction: Samples;
  samples: Samples | null;
}

const MOST = 96 * 2 ** 20; // bytes that are kept of one run

export class Frames {
  kind: Kind = "image";
  originals: Samples | null = null;
  labels: (string | null)[] = [];
  error = "";
  private frames = new Map<number, Frame>();
  private bytes = 0;
  private epochs: number[] = [];
  private wanted = 0;
  private reading = false;
  private stop = new AbortController();

  constructor(private run: string, private changed: () => void) {}

  /** Which epochs have a frame, and which is looked at: it is read next, then those after it. */
  want(epochs: number[], epoch: number): void {
    this.epochs = epochs;
    this.wanted = epoch;
    void this.read();
  }

  /** The frame of an epoch, or while it is read the latest one before it that is there. */
  at(epoch: number): { epoch: number; frame: Frame } | null {
    const there = latestOf(this.epochs, epoch);
    if (there === null) return null;
    for (let i = this.epochs.indexOf(there); i >= 0; i--) {
      const frame = this.frames.get(this.epochs[i]!);
      if (frame !== undefined) return { epoch: this.epochs[i]!, frame };
    }
    return null;
  }

  has(epoch: number): boolean {
    const there = latestOf(this.epochs, epoch);
    return there === null || this.frames.has(there);
  }

  close(): void {
    this.stop.abort();
  }

  private async read(): Promise<void> {
    if (this.reading) return;
    this.reading = true;
    try {
      for (let from = this.next(); from !== null; from = this.next()) {
        const to = this.lastMissing(from);
        const message = await getTensors(runPath(this.run, `frames?from=${from}&to=${to}`), this.stop.signal);
        if (!this.add(message)) break;
        this.error = "";
        this.changed();
      }
    } catch (error) {
      if (!this.stop.signal.aborted) {
        this.error = (error as Error).message;
        this.changed();
      }
    } finally {
      this.reading = false;
    }
  }

  /** The epoch to read from: the wanted one, then those after it, then the others, as long as there is room. */
  private next(): number | null {
    const wanted = latestOf(this.epochs, this.wanted) ?? this.epochs[0];
    if (wanted === undefined) return null;
    if (!this.frames.has(wanted)) return wanted;
    if (this.bytes > 0.8 * MOST) return null;
    const start = this.epochs.indexOf(wanted);
    for (let i = 1; i < this.epochs.length; i++) {
      const epoch = this.epochs[(start + i) % this.epochs.length]!;
      if (!this.frames.has(epoch)) return epoch;
    }
    return null;
  }

  private lastMissing(from: number): number {
    let last = from;
    for (let i = this.epochs.indexOf(from); i < this.epochs.length && !this.frames.has(this.epochs[i]!); i++) last = this.epochs[i]!;
    return last;
  }

  /** Returns whether there was anything new, without which reading would not end. */
  private add(message: Message): boolean {
    const epochs = integers(message, "epochs").data;
    const reconstructions = message.tensors["reconstructions"], samples = message.tensors["samples"];
    if (reconstructions === undefined || epochs.length === 0) return false;
    this.kind = (message.meta["kind"] as Kind | undefined) ?? this.kind;
    this.labels = (message.meta["labels"] as (string | null)[] | null | undefined) ?? this.labels;
    if (message.tensors["originals"] !== undefined) this.originals = message.tensors["originals"] as Samples;
    epochs.forEach((epoch, i) => {
      const frame = { reconstruction: part(reconstructions as Samples, i), samples: samples === undefined ? null : part(samples as Samples, i) };
      if (!this.frames.has(epoch)) this.bytes += size(frame);
      this.frames.set(epoch, frame);
    });
    this.forget();
    return true;
  }

  /** Let go of the frames that are farthest from the one that is looked at. */
  private forget(): void {
    const far = [...this.frames.keys()].sort((a, b) => Math.abs(b - this.wanted) - Math.abs(a - this.wanted));
    while (this.bytes > MOST && far.length > 1) {
      const epoch = far.shift()!;
      this.bytes -= size(this.frames.get(epoch)!);
      this.frames.delete(epoch);
    }
  }
}

/** The last of ascending epochs that is not after one; null where all are. */
export function latestOf(epochs: number[], epoch: number): number | null {
  for (let i = epochs.length - 1; i >= 0; i--) if (epochs[i]! <= epoch) return epochs[i]!;
  return null;
}

function part(all: Samples, i: number): Samples {
  const length = all.shape.slice(1).reduce((a, b) => a * b, 1);
  return { shape: all.shape.slice(1), data: all.data.slice(i * length, (i + 1) * length) };
}

function size({ reconstruction, samples }: Frame): number {
  return reconstruction.data.byteLength + (samples?.data.byteLength ?? 0);
}

/** The spread of each column over some rows, for bars: eleven quantiles, as a model's own distribution has. */
export function distributionOf(rows: Samples, columns: string[] | null): Column[] {
  const [n = 0, d = 0] = rows.shape;
  return Array.from({ length: d }, (_, column) => {
    const values = Array.from({ length: n }, (_, row) => rows.data[row * d + column] ?? NaN).filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
    const quantiles = Array.from({ length: 11 }, (_, i) => values[Math.round((i / 10) * (values.length - 1))] ?? 0);
    return { name: columns?.[column] ?? String(column + 1), quantiles, unit: "" };
  });
}
