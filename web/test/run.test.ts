import { describe, expect, it } from "vitest";
import type { Epoch, RunDetail } from "../src/api/types";
import { appended, united } from "../src/views/run/feed";
import { distributionOf, latestOf } from "../src/views/run/frames";
import { chartOf, kept, nearest, pcaLevel, smoothed, termsOf, usualTerms, valueAt } from "../src/views/run/series";

function line(epoch: number, train: Record<string, number>, validation: Record<string, number | null> | null = null): Epoch {
  return { epoch, epochs: 9, step: epoch * 10, train, validation, seconds: epoch / 2, learning_rate: 0.1 };
}

describe("a history", () => {
  it("grows by new lines", () => {
    expect(appended([line(1, {}), line(2, {})], [line(3, {})]).map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
  });
  it("of a training that went on from a checkpoint holds the later epochs once", () => {
    const lines = appended([line(1, { loss: 1 }), line(2, { loss: 2 }), line(3, { loss: 3 })], [line(2, { loss: 9 })]);
    expect(lines.map(({ train }) => train["loss"])).toEqual([1, 9]);
    expect(united([1, 2, 5], [5, 3])).toEqual([1, 2, 3, 5]);
  });
});

describe("terms", () => {
  const vae = [line(1, { elbo: -3, kl: 1, loss: 3, reconstruction: 2, sparsity: 0.1 })];
  it("come in the order of what matters", () => {
    expect(termsOf([vae, [line(1, { l1: 1 }, { loss: 2 })]])).toEqual(["loss", "reconstruction", "kl", "l1", "sparsity", "elbo"]);
  });
  it("that say the same twice are shown once", () => {
    expect(usualTerms(termsOf([vae]), [vae])).toEqual(["loss", "reconstruction", "kl"]);
    const ae = [line(1, { loss: 2, reconstruction: 2 })];
    expect(usualTerms(termsOf([ae]), [ae])).toEqual(["loss"]);
  });
});

it("puts runs of different lengths on one axis", () => {
  const { x, series } = chartOf("loss", [
    { run: "a", lines: [line(1, { loss: 4 }, { loss: null }), line(3, { loss: 2 }, { loss: 5 })] }, { run: "b", lines: [line(2, { loss: 8 })] },
  ], "epoch", 0);
  expect(x).toEqual([1, 2, 3]);
  expect(series.map(({ run, split, raw }) => [run, split, raw])).toEqual(
    [["a", "train", [4, null, 2]], ["a", "validation", [null, null, 5]], ["b", "train", [null, 8, null]]],
  );
  expect([valueAt([4, null, 2], 1), valueAt([null, 8], 0)]).toEqual([4, null]);
  expect([0, 1.4, 2.6, 9].map((value) => nearest(x, value))).toEqual([0, 0, 2, 2]);
});

it("smooths without the bias of the beginning, and keeps gaps", () => {
  const values = smoothed([4, null, 4, 8], 0.5);
  expect(values.slice(0, 3)).toEqual([4, null, 4]);
  expect(values[3]).toBeCloseTo((0.125 * 4 + 0.25 * 4 + 0.5 * 8) / 0.875, 12);
  expect(smoothed([1, 2], 0)).toEqual([1, 2]);
});

describe("PCA's level", () => {
  const of = (model: string, likelihood: string, more: object = {}) => ({
    model, pca: 30, settings: [{ name: "likelihood", text: likelihood, default: "", help: "", changed: false }],
    data_about: { shape: [1, 2, 2] }, ...more,
  }) as unknown as RunDetail;
  const constant = 2 * Math.log(2 * Math.PI);
  it("is half the squared error and the constant of a Gaussian", () => {
    expect(pcaLevel("reconstruction", of("vae", "gaussian"))).toBeCloseTo(15 + constant, 12);
    expect(pcaLevel("loss", of("ae", "gaussian:0.5"))).toBeCloseTo(60 + constant + 4 * Math.log(0.5), 12);
    expect(pcaLevel("loss", of("pca", ""))).toBe(15);
  });
  it("is not drawn where the unit is another", () => {
    const others: [string, RunDetail][] = [
      ["reconstruction", of("vae", "bernoulli")], ["reconstruction", of("vae", "gaussian:learned")], ["loss", of("vae", "gaussian")],
      ["kl", of("vae", "gaussian")], ["reconstruction", of("ae", "gaussian", { pca: null })],
    ];
    expect(others.map(([term, detail]) => pcaLevel(term, detail))).toEqual([null, null, null, null, null]);
  });
});

it("finds the frame that was the latest at an epoch", () => {
  expect([0, 1, 4, 9].map((epoch) => latestOf([1, 3, 5], epoch))).toEqual([null, 1, 3, 5]);
});

it("spreads the columns of a table", () => {
  const rows = { shape: [3, 2], data: Float32Array.of(1, NaN, 3, 5, 2, 7) };
  const [a, b] = distributionOf(rows, ["a", "b"]);
  expect([a?.quantiles[0], a?.quantiles[5], a?.quantiles[10], b?.quantiles[0], b?.quantiles[10]]).toEqual([1, 2, 3, 5, 7]);
});

it("finds the epoch whose weights are kept", () => {
  const best = (epoch: number) => ({ ...line(epoch, { loss: 1 }, { loss: 1 }), best: true });
  expect([kept([best(1), best(2), line(3, { loss: 1 }, { loss: 2 })])?.epoch, kept([{ ...line(1, { loss: 1 }), best: true }])]).toEqual([2, null]);
});
