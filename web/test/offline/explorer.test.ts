import { describe, expect, it } from "vitest";
import type { Message } from "../../src/api/tensors";
import { between, offline } from "../../src/model/offline";

const f32 = (shape: number[], ...data: number[]) => ({ shape, data: Float32Array.from(data) });

/** A linear model: images of 1 x 2 pixels, whose code is their sum and their difference; decoded by half of it. */
function content(): Message {
  const dims = [0, 1].map((i) => ({ name: `dimension ${i + 1}`, low: -1, high: 1, centre: 0, deviation: 1, usage: 1 }));
  return {
    meta: {
      info: {
        run: "r", model: "AE", kind: "image", shape: [1, 1, 2], latent_dim: 2, dims, limits: [0, 1], splits: { test: 3 },
        default_split: "test", absent: {}, labelled: true,
      },
      graph: {
        encoder: [{ op: "flatten" }, { op: "linear", weight: "w0", bias: null }],
        decoder: [{ op: "linear", weight: "w1", bias: null }, { op: "reshape", shape: [1, 1, 2] }],
      },
      why: "", labels: ["a", "b", "a"], ids: ["0", "1", "2"], label_names: ["a", "b"], error_unit: "e", score_unit: "s",
      names: { pca: ["1", "2"], tsne: ["1", "2"] },
    },
    tensors: {
      x: { shape: [3, 1, 2], data: Uint8Array.of(255, 0, 0, 255, 51, 102) },
      z: f32([3, 2], 1, 1, 1, -1, 0.6, -0.2), error: f32([3], 0, 0, 0), score: f32([3], 0, 0, 0),
      labels: { shape: [3], data: Int32Array.of(0, 1, 0) }, offset: f32([1], 0), factor: f32([1], 1),
      w0: f32([2, 2], 1, 1, 1, -1), w1: f32([2, 2], 0.5, 0.5, 0.5, -0.5),
      pca: f32([3, 2], 1, 1, -1, 1, -0.2, 0.6), pca_mean: f32([2], 0, 0), pca_components: f32([2, 2], 0, 1, 1, 0), gaussian_mean: f32([2], 5, 5),
      gaussian_root: f32([2, 2], 1, 0, 0, 1),
    },
  };
}

const signal = new AbortController().signal;

describe("a model in the page", () => {
  const explorer = offline(content());

  it("encodes and decodes pictures as they are shown", async () => {
    const z = await explorer.encode({ shape: [1, 1, 2], data: Uint8Array.of(51, 102) });
    expect([...z].map((value) => Number(value.toFixed(6)))).toEqual([0.6, -0.2]);
    expect([...(await explorer.decode(z)).data]).toEqual([51, 102]);
    expect([...(await explorer.decode(Float32Array.of(4, 0))).data]).toEqual([255, 255]); // clipped
  });

  it("adds codes and samples, means of classes too", async () => {
    const { decoded, plain, numbers } = await explorer.combine("test", { expression: "0 - 0.5*1 + class:b" });
    expect([...decoded.data]).toEqual([255, 128]);
    expect([...plain.data]).toEqual([255, 128]);
    expect(numbers["nearest row"]).toBe(0);
    expect(numbers["distance of the nearest code"]).toBeCloseTo(Math.SQRT1_2, 6);
    expect(numbers["values clipped, share"]).toBe(0);
    await expect(explorer.combine("test", { expression: "7" })).rejects.toThrow("0 to 2");
  });

  it("removes noise, with errors against the input", async () => {
    const all = await explorer.denoise({ split: "test", row: 2 }, "gaussian", 0.1, 3);
    const again = await explorer.denoise({ split: "test", row: 2 }, "gaussian", 0.1, 3);
    const other = await explorer.denoise({ split: "test", row: 2 }, "gaussian", 0.1, 4);
    expect(all.numbers["noisy"]).toBe(again.numbers["noisy"]);
    expect(all.numbers["noisy"]).not.toBe(other.numbers["noisy"]);
    expect(all.numbers["reconstruction"]).toBeCloseTo(0, 12);
    expect(all.numbers["denoised"]).toBeCloseTo(all.numbers["noisy"]!, 6); // this model keeps all
  });

  it("maps codes by dimensions, one of them alone, and components", async () => {
    const by = async (map: string) => [...(await explorer.codes("test", map, signal, () => undefined)).points.slice(0, 4)];
    expect(await by("dims:1,0")).toEqual([1, 1, -1, 1]);
    expect(await by("dims:1")).toEqual([1, 0, -1, 0]);
    expect(await by("pca")).toEqual([1, 1, -1, 1]);
  });

  it("draws from the density of codes", async () => {
    const { z } = await explorer.generate!({ n: 2000, sampler: "gaussian", temperature: 0.5, seed: 1 });
    const mean = z.reduce((a, b) => a + b, 0) / z.length;
    const variance = z.reduce((total, value) => total + (value - mean) ** 2, 0) / z.length;
    expect(mean).toBeCloseTo(5, 1);
    expect(variance).toBeCloseTo(0.25, 1);
  });

  it("holds samples of one split", async () => {
    await expect(explorer.samples("train", [0])).rejects.toThrow("train");
    expect((await explorer.samples("test", [2])).labels).toEqual(["a"]);
  });
});

it("turns evenly around the centre on the spherical way", () => {
  const half = between(Float32Array.of(2, 0), Float32Array.of(0, 4), Float32Array.of(0, 0), 0.5, "spherical");
  expect([...half]).toEqual([expect.closeTo(3 * Math.SQRT1_2, 5), expect.closeTo(3 * Math.SQRT1_2, 5)]);
});
