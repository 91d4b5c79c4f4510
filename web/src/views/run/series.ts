// From histories to what a chart draws: series on one common axis, smoothed, with PCA's level where the unit is the same.
import type { Epoch, RunDetail } from "../../api/types";

export type Axis = "epoch" | "step" | "time";
export type Split = "train" | "validation";

export interface Series {
  run: string;
  split: Split;
  /** As measured, and smoothed; aligned with the axis, null where there is no value. */
  raw: (number | null)[];
  smooth: (number | null)[];
}

export interface Chart {
  term: string;
  x: number[];
  series: Series[];
}

export function xOf(line: Epoch, axis: Axis): number {
  return axis === "epoch" ? line.epoch : axis === "step" ? line.step : line.seconds;
}

/** The terms of all histories: what is minimised first, then its parts, then what else is measured. */
export function termsOf(histories: Epoch[][]): string[] {
  const first = ["loss", "reconstruction", "kl"];
  const names = new Set<string>();
  for (const lines of histories) {
    for (const line of [lines[0], lines.at(-1)]) {
      for (const name of [...Object.keys(line?.train ?? {}), ...Object.keys(line?.validation ?? {})]) names.add(name);
    }
  }
  const rank = (name: string) => (first.includes(name) ? first.indexOf(name) : name === "elbo" ? 99 : 50);
  return [...names].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

/** The terms that are shown unless others are chosen: three at most, none that says what another one says. */
export function usualTerms(terms: string[], histories: Epoch[][]): string[] {
  const same = (name: string) => histories.every((lines) => {
    const last = lines.at(-1)?.train;
    return last === undefined || !(name in last) || (last[name] ?? NaN) === last["loss"];
  });
  const rest = terms.filter((name) => name !== "loss" && name !== "elbo" && !same(name));
  return [...(terms.includes("loss") ? ["loss"] : []), ...rest].slice(0, 3);
}

/** One term of several runs on one axis. */
export function chartOf(term: string, histories: { run: string; lines: Epoch[] }[], axis: Axis, smoothing: number): Chart {
  const all = new Set<number>();
  for (const { lines } of histories) for (const line of lines) all.add(xOf(line, axis));
  const x = [...all].sort((a, b) => a - b);
  const place = new Map(x.map((value, i) => [value, i]));
  const series: Series[] = [];
  for (const { run, lines } of histories) {
    for (const split of ["train", "validation"] as const) {
      const raw: (number | null)[] = new Array<number | null>(x.length).fill(null);
      let any = false;
      for (const line of lines) {
        const value = line[split]?.[term];
        if (value === null || value === undefined || !Number.isFinite(value)) continue;
        raw[place.get(xOf(line, axis))!] = value;
        any = true;
      }
      if (any) series.push({ run, split, raw, smooth: smoothed(raw, smoothing) });
    }
  }
  return { term, x, series };
}

/** The epoch whose weights are kept: the last one that was the best so far on validation data. */
export function kept(lines: Epoch[]): Epoch | null {
  for (let i = lines.length - 1; i >= 0; i--) if (lines[i]!.best && lines[i]!.validation !== null) return lines[i]!;
  return null;
}

/** Exponential moving average, without the bias of its beginning (as in Adam); weight 0 leaves values as they are. */
export function smoothed(values: (number | null)[], weight: number): (number | null)[] {
  if (weight <= 0) return values;
  let mean = 0, share = 0;
  return values.map((value) => {
    if (value === null) return null;
    mean = weight * mean + (1 - weight) * value;
    share = weight * share + (1 - weight);
    return mean / share;
  });
}

/** The place in the axis whose value is nearest, for a cursor between values. */
export function nearest(x: number[], value: number): number {
  let low = 0, high = x.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (x[middle]! < value) low = middle;
    else high = middle;
  }
  return high >= 0 && Math.abs(x[high]! - value) < Math.abs((x[low] ?? Infinity) - value) ? high : low;
}

/** A series' last value at or before a place, for runs that have none exactly there. */
export function valueAt(values: (number | null)[], place: number): number | null {
  for (let i = Math.min(place, values.length - 1); i >= 0; i--) {
    const value = values[i];
    if (value !== null && value !== undefined) return value;
  }
  return null;
}

/**
 * What PCA's error comes to in the unit of the reconstruction term, or null where the two cannot be held against each other.
 *
 * The term of a Gaussian with a fixed deviation is half the squared error over its variance, and a constant; a learned
 * deviation and other likelihoods measure something else.
 */
export function pcaLevel(term: string, detail: RunDetail | null): number | null {
  if (detail?.pca === null || detail?.pca === undefined) return null;
  if (term === "loss" && detail.model !== "ae" && detail.model !== "pca") return null; // the KL belongs to it
  if (term !== "loss" && term !== "reconstruction") return null;
  if (detail.model === "pca") return detail.pca / 2;
  if (term === "loss" && detail.settings.some(({ name, changed }) => name === "penalty" && changed)) return null;
  const likelihood = detail.settings.find(({ name }) => name === "likelihood")?.text ?? "";
  const match = /^gaussian(?::(?:scale=)?([\d.eE+-]+))?$/.exec(likelihood);
  const values = detail.data_about.shape.reduce((a, b) => a * b, 1);
  if (match === null || !Number.isInteger(values)) return null;
  const deviation = Number(match[1] ?? 1);
  return detail.pca / (2 * deviation ** 2) + values * (Math.log(deviation) + 0.5 * Math.log(2 * Math.PI));
}
