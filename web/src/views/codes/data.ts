// What the view shows, loaded: places of the codes, values of the samples, and single samples when one points at them.
import { useEffect, useMemo, useState } from "preact/hooks";
import { isSuperseded, type Codes, type Explorer, type Looked, type Values } from "../../model/explorer";
import { complain } from "../../ui/toasts";

export interface Loaded<T> {
  value: T | null;
  /** What is being computed, or why there is nothing. */
  progress: string;
  error: string;
  retry: () => void;
}

function useLoaded<T>(load: (signal: AbortSignal, waiting: (sentence: string) => void) => Promise<T>, key: unknown[]): Loaded<T> {
  const [tries, setTries] = useState(0);
  const [state, setState] = useState({ value: null as T | null, progress: "", error: "" });
  useEffect(() => {
    const stop = new AbortController();
    setState({ value: null, progress: "", error: "" });
    load(stop.signal, (progress) => {
      if (!stop.signal.aborted) setState({ value: null, progress, error: "" });
    }).then(
      (value) => { if (!stop.signal.aborted) setState({ value, progress: "", error: "" }); },
      (error: Error) => { if (!isSuperseded(error)) setState({ value: null, progress: "", error: error.message }); },
    );
    return () => stop.abort();
  }, [...key, tries]);
  return { ...state, retry: () => setTries(tries + 1) };
}

export function useCodes(explorer: Explorer, split: string, map: string): Loaded<Codes> {
  return useLoaded((signal, waiting) => explorer.codes(split, map, signal, waiting), [explorer, split, map]);
}

export function useValues(explorer: Explorer, split: string): Loaded<Values> {
  return useLoaded((signal) => explorer.values(split, signal), [explorer, split]);
}

/** Values in the order of the codes: both are of the same samples, but each says which. */
export function aligned(values: Values, rows: Int32Array): Values {
  if (values.rows.length === rows.length && values.rows.every((row, i) => row === rows[i])) return values;
  const at = new Map(Array.from(values.rows, (row, i) => [row, i]));
  const order = Int32Array.from(rows, (row) => at.get(row) ?? -1);
  const floats = (from: Float32Array) => Float32Array.from(order, (i) => (i < 0 ? NaN : from[i]!));
  const { labels, ids } = values;
  return {
    ...values, rows, error: floats(values.error), score: floats(values.score),
    labels: labels instanceof Int32Array ? Int32Array.from(order, (i) => (i < 0 ? -1 : labels[i]!)) : labels === null ? null : floats(labels),
    ids: ids === null ? null : Array.from(order, (i) => ids[i] ?? ""),
  };
}

/** A model with one dimension has room for a second axis: the error, or how dense the codes lie. */
export function lifted(codes: Codes, by: "error" | "density", values: Values | null): Codes {
  const n = codes.rows.length;
  const points = new Float32Array(2 * n);
  for (let i = 0; i < n; i++) points[2 * i] = codes.points[2 * i]!;
  const heights = by === "density" ? density(codes.points) : values?.error ?? new Float32Array(n);
  for (let i = 0; i < n; i++) points[2 * i + 1] = heights[i] ?? 0;
  const inverse = { kind: "dims" as const, dims: [0, 0] as [number, number] };
  return { ...codes, points, inverse, names: [codes.names[0], by === "density" ? "density" : "error"] };
}

const BINS = 256;

/** The density of x (x, _, x, _, ...) at each of its values: a histogram, smoothed by a Gaussian of Silverman's width. */
export function density(points: Float32Array): Float32Array {
  const n = points.length / 2;
  const x = Float32Array.from({ length: n }, (_, i) => points[2 * i]!);
  let low = Infinity, high = -Infinity, sum = 0, squares = 0;
  for (const v of x) {
    low = Math.min(low, v);
    high = Math.max(high, v);
    sum += v;
    squares += v * v;
  }
  const deviation = Math.sqrt(Math.max(0, squares / n - (sum / n) ** 2)) || 1;
  const width = 1.06 * deviation * n ** -0.2;
  const start = low - 3 * width, bin = (high - low + 6 * width) / BINS;
  const counts = new Float64Array(BINS);
  for (const v of x) counts[Math.min(BINS - 1, Math.floor((v - start) / bin))]! += 1;
  const smooth = Float64Array.from(counts, (_, i) => {
    let total = 0;
    for (let j = 0; j < BINS; j++) total += counts[j]! * Math.exp(-0.5 * (((i - j) * bin) / width) ** 2);
    return total / (n * width * Math.sqrt(2 * Math.PI));
  });
  return x.map((v) => {
    const at = (v - start) / bin - 0.5, i = Math.min(BINS - 2, Math.max(0, Math.floor(at)));
    return smooth[i]! + (at - i) * (smooth[i + 1]! - smooth[i]!);
  });
}

const KEPT = 300;

/** Samples by row, each asked for once. */
export class Shelf {
  private readonly kept = new Map<number, Promise<Looked>>();
  readonly here = new Map<number, Looked>();

  constructor(private readonly explorer: Explorer, private readonly split: string) {}

  get(row: number): Promise<Looked> {
    const known = this.kept.get(row);
    if (known !== undefined) return known;
    const asked = this.explorer.samples(this.split, [row]).then((looked) => {
      this.here.set(row, looked);
      return looked;
    });
    asked.catch(() => this.kept.delete(row));
    if (this.kept.size >= KEPT) {
      const oldest = this.kept.keys().next().value!;
      this.kept.delete(oldest);
      this.here.delete(oldest);
    }
    this.kept.set(row, asked);
    return asked;
  }
}

export function useShelf(explorer: Explorer, split: string): Shelf {
  return useMemo(() => new Shelf(explorer, split), [explorer, split]);
}

/** The sample of a row; the last one while the next is on its way, so that nothing flickers. */
export function useSample(shelf: Shelf, row: number | null, delay: number): { row: number; looked: Looked } | null {
  const [shown, setShown] = useState<{ row: number; looked: Looked; shelf: Shelf } | null>(null);
  const known = row === null ? undefined : shelf.here.get(row);
  useEffect(() => {
    if (row === null || known !== undefined) return;
    let current = true;
    const timer = setTimeout(() => {
      shelf.get(row).then((looked) => { if (current) setShown({ row, looked, shelf }); }, complain);
    }, delay);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [shelf, row, known]);
  useEffect(() => {
    if (row !== null && known !== undefined) setShown({ row, looked: known, shelf });
  }, [shelf, row, known]);
  if (row === null) return null;
  if (known !== undefined) return { row, looked: known };
  return shown?.shelf === shelf ? shown : null;
}
