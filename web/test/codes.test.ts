import { describe, expect, it } from "vitest";
import type { Codes, Explorer, Samples, Values } from "../src/model/explorer";
import { Superseded } from "../src/model/explorer";
import { categories, classColours, fromLab, paint, parse, rangeOf, scaleOf, toLab, type Rgb } from "../src/views/codes/colours";
import { aligned, density, lifted } from "../src/views/codes/data";
import { positionsOf } from "../src/views/codes/drawing";
import { decodeAt, Hand, invert, project } from "../src/views/codes/decoding";
import { Picking, weightsOf } from "../src/views/codes/picking";
import { gridCodes } from "../src/views/codes/scan";
import { search, spread, tally, within } from "../src/views/codes/selection";
import { dimensionOf, mapsOf, toolOf } from "../src/views/codes/state";

globalThis.requestAnimationFrame ??= (run) => setTimeout(() => run(performance.now()), 0) as unknown as number;

const all = () => true;

describe("picking", () => {
  const points = Float32Array.from([0, 0, 1, 0, 3, 0.2, 0, 2, -1, -1]);
  const picking = new Picking(points, 10, 10, all);
  it("finds the nearest point within reach", () => {
    expect(picking.nearest(0.9, 0.1, 5)).toBe(1);
    expect(picking.nearest(10, 10, 5)).toBe(-1);
    expect(new Picking(points, 10, 10, (i) => i !== 1).nearest(0.9, 0.1)).toBe(0);
    expect(new Picking(new Float32Array(0), 1, 1, all).nearest(0, 0)).toBe(-1);
  });
  it("goes from point to point in a direction", () => {
    expect([picking.next(0, 1, 0), picking.next(1, 1, 0), picking.next(0, 0, 1), picking.next(0, -1, 0), picking.next(2, 1, 0)]).toEqual([1, 2, 3, 4, -1]);
  });
  it("weighs neighbours so that they sum to one and the farthest enters at nothing", () => {
    const { points: near, weights } = picking.neighbours(0.2, 0, 3);
    expect(near[0]).toBe(0);
    expect(weights.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
    expect(weightsOf([1, 2, 2], 2)).toEqual([1, 0]);
    expect(weightsOf([0, 5, 9], 2)[0]).toBeGreaterThan(0.999);
    expect(weightsOf([3, 3, 3], 2)).toEqual([0.5, 0.5]);
  });
});

describe("places and codes", () => {
  const centre = [0, 0, 0, 0];
  it("set two dimensions of the base", () => {
    const z = new Float32Array(4), inverse = { kind: "dims" as const, dims: [2, 0] as [number, number] };
    expect(invert(inverse, null, centre, 1.5, -2, z)).toBe(true);
    expect([...z]).toEqual([-2, 0, 1.5, 0]);
    invert(inverse, { z: [9, 8, 7, 6], x: 7, y: 9 }, centre, 1, 2, z);
    expect([...z]).toEqual([2, 8, 1, 6]);
    expect(project(inverse, z)).toEqual([1, 2]);
  });
  it("lie on the plane of two components, through the pinned sample or the mean", () => {
    const z = new Float32Array(3);
    const inverse = { kind: "linear" as const, mean: [1, 1, 1], components: [[1, 0, 0], [0, 0.6, 0.8]] };
    invert(inverse, null, centre, 2, 5, z);
    expect([...z]).toEqual([3, 4, 5]);
    expect(project(inverse, z)).toEqual([2, expect.closeTo(5, 6)]);
    invert(inverse, { z: [0, 0, 1], x: -1, y: 0 }, centre, -1, 5, z);
    expect([...z].map((v) => Math.round(v * 10) / 10)).toEqual([0, 3, 5]);
  });
  it("of a map without an inverse are the nearest codes' mean", () => {
    const asked: unknown[] = [];
    const hand = { blend: (...args: unknown[]) => asked.push(args) } as unknown as Hand;
    const points = Float32Array.from([0, 0, 1, 0]);
    const codes = { inverse: { kind: "neighbours" }, rows: Int32Array.from([70, 80]), centre: new Float32Array(1) } as unknown as Codes;
    decodeAt(hand, codes, new Picking(points, 1, 1, all), null, 0, 0, new Float32Array(1), 5);
    expect((asked[0] as [number[], number[]])[0]).toEqual([70, 80]);
  });
  it("form a grid row by row, from the top", () => {
    const z = gridCodes([9, 9, 9], 0, 2, [0, 2], [-1, 1], 3);
    expect([...z.subarray(0, 3)]).toEqual([0, 9, 1]);
    expect([...z.subarray(3, 6)]).toEqual([1, 9, 1]);
    expect([...z.subarray(24)]).toEqual([2, 9, -1]);
  });
});

describe("the code at hand", () => {
  const picture = (value: number): Samples => ({ shape: [1, 1, 1], data: Uint8Array.of(value) });
  const info = { latent_dim: 2, dims: [{ centre: 0 }, { centre: 0 }] };
  it("keeps two calls on their way, leaves out what is overtaken, and draws the newest last", async () => {
    const calls: { z: number; answer: (x: Samples) => void; drop: () => void }[] = [];
    const explorer = {
      info, decode: (z: Float32Array) => new Promise<Samples>((resolve, reject) => calls.push({ z: z[0]!, answer: resolve, drop: () => reject(new Superseded()) })),
    } as unknown as Explorer;
    const drawn: number[] = [], failed: unknown[] = [];
    const hand = new Hand(explorer, "test", (error) => failed.push(error));
    hand.onPicture.add((x) => drawn.push(x.data[0]!));
    const settle = () => new Promise((resolve) => setTimeout(resolve, 0));
    for (const value of [1, 2, 3, 4]) hand.move([value, 0]);
    expect(calls.map(({ z }) => z)).toEqual([1, 2]);
    calls[1]!.answer(picture(2));
    await settle();
    expect(calls.map(({ z }) => z)).toEqual([1, 2, 4]);
    calls[0]!.answer(picture(1)); // older than what is shown
    await settle();
    calls[2]!.drop();
    await settle();
    hand.show(Float32Array.of(7, 0), picture(7));
    expect(drawn).toEqual([2, 7]);
    expect([...hand.z]).toEqual([7, 0]);
    expect(failed).toEqual([]);
  });
  it("says what went wrong, and takes the code of a blend from its answer", async () => {
    const failed: string[] = [];
    const explorer = {
      info, decode: () => Promise.reject(new Error("no model")), blend: async () => ({ x: picture(5), z: Float32Array.of(3, 4) }),
    } as unknown as Explorer;
    const hand = new Hand(explorer, "test", (error) => failed.push((error as Error).message));
    hand.move([1, 1]);
    await new Promise((resolve) => setTimeout(resolve, 0));
    hand.blend([1, 2], [0.5, 0.5]);
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(failed).toEqual(["no model"]);
    expect([...hand.z]).toEqual([3, 4]);
  });
});

describe("selection", () => {
  it("holds the points within the line, hollow shapes included", () => {
    const points = Float32Array.from([1, 1, 5, 1, 1, 3.5, 9, 9]);
    const u = [0, 0, 6, 0, 6, 4, 4, 4, 4, 2, 2, 2, 2, 4, 0, 4];
    expect([...within(points, u, all)]).toEqual([0, 1, 2]);
    expect([...within(Float32Array.from([3, 3]), u, all)]).toEqual([]);
    expect([...within(points, u, (i) => i !== 1)]).toEqual([0, 2]);
  });
  it("shows members from all over it, and counts their labels", () => {
    expect(spread(Int32Array.from({ length: 100 }, (_, i) => i), 4)).toEqual([12, 37, 62, 87]);
    expect(tally(Int32Array.of(0, 1, 2, 3), [7, 5, 7, 7])).toEqual([[7, 3], [5, 1]]);
  });
  it("is found by label or id", () => {
    const labels = ["7", "cat", "Catfish", null], ids = ["0", "7", "2", "img_cat.png"];
    const find = (query: string) => [...search(query, 4, (i) => labels[i]!, (i) => ids[i]!)];
    expect([find("7"), find("cat"), find("CATF"), find(" "), find("2")]).toEqual([[0, 1], [1, 2, 3], [2], [], [2]]);
  });
});

describe("colours", () => {
  const token = (name: string): Rgb => parse({ surface: "#ffffff", ink: "#000000", faint: "#777777" }[name] ?? `#${name.at(-1)}04080`);
  it("go to Oklab and back", () => {
    for (const rgb of [[184, 58, 34], [0, 0, 0], [255, 255, 255], [37, 96, 168]] as Rgb[]) expect(fromLab(toLab(rgb))).toEqual(rgb);
    expect(parse("#fff")).toEqual([255, 255, 255]);
  });
  it("of numbers are a scale whose equal steps look equal, even in lightness", () => {
    for (const dark of [false, true]) {
      const scale = scaleOf(parse(dark ? "#7db0ee" : "#2560a8"), parse(dark ? "#f0785c" : "#b83a22"), dark);
      const lab = Array.from({ length: 9 }, (_, i) => toLab([...scale.subarray(3 * Math.round(i * 31.875), 3 * Math.round(i * 31.875) + 3)] as Rgb));
      const steps = lab.slice(1).map((p, i) => Math.hypot(...p.map((v, c) => v - lab[i]![c]!)));
      expect(Math.max(...steps) / Math.min(...steps)).toBeLessThan(1.25);
      const rising = lab.slice(1).map((p, i) => Math.sign(p[0] - lab[i]![0]));
      expect(new Set(rising).size).toBe(1);
    }
  });
  it("of twenty classes differ, and further ones share one", () => {
    expect(new Set(classColours(20, token).map(String)).size).toBe(20);
    const many = classColours(30, token);
    expect(new Set(many.slice(19).map(String))).toEqual(new Set(["119,119,119"]));
  });
  it("are painted per point; those that are not meant are faint", () => {
    const out = new Uint8Array(8);
    paint({ kind: "classes", labels: Int32Array.of(3, 9), of: new Map([[3, [1, 2, 3]]]) }, out, (i) => i === 0);
    expect([...out]).toEqual([1, 2, 3, 215, 128, 128, 128, 22]);
    const scale = scaleOf([0, 0, 200], [200, 0, 0], false);
    paint({ kind: "scale", values: Float32Array.of(0, NaN), range: [-1, 0], scale }, out, null);
    expect([...out.subarray(0, 3)]).toEqual([...scale.subarray(765)]);
    expect(rangeOf(Float32Array.from({ length: 201 }, (_, i) => (i === 0 ? 1e9 : i)))).toEqual([3, 199]);
  });
});

describe("values", () => {
  const values = (extra: Partial<Values>): Values => ({
    rows: Int32Array.of(5, 6, 7), labels: Int32Array.of(0, 1, 1), labelNames: ["a", "b"], ids: null, error: Float32Array.of(1, 2, 3),
    score: Float32Array.of(4, 5, 6), errorUnit: "", scoreUnit: "", ...extra,
  });
  it("are brought into the order of the codes", () => {
    const same = values({});
    expect(aligned(same, Int32Array.of(5, 6, 7))).toBe(same);
    const other = aligned(values({ ids: ["x", "y", "z"] }), Int32Array.of(7, 5, 9));
    expect([...other.error]).toEqual([3, 1, NaN]);
    expect([...(other.labels ?? [])]).toEqual([1, 0, -1]);
    expect(other.ids).toEqual(["z", "x", ""]);
  });
  it("count classes in their order, or by frequency where they are many", () => {
    expect(categories(values({}))).toEqual([{ value: 0, name: "a", count: 1 }, { value: 1, name: "b", count: 2 }]);
    const labels = Int32Array.from({ length: 100 }, (_, i) => (i < 40 ? 25 : i % 26));
    expect(categories(values({ labels, labelNames: null }))?.[0]).toMatchObject({ value: 25, name: "25" });
    expect(categories(values({ labels: Float32Array.of(1, 2, 3) }))).toBeNull();
  });
  it("lift the codes of one dimension: by error, or by a density that integrates to one", () => {
    const codes = { points: Float32Array.of(1, 1, 2, 2, 3, 3), rows: Int32Array.of(5, 6, 7), names: ["z0", "z0"] } as unknown as Codes;
    const up = lifted(codes, "error", values({}));
    expect([...up.points]).toEqual([1, 1, 2, 2, 3, 3]);
    expect(up.names).toEqual(["z0", "error"]);
    const n = 4000, uniform = Float32Array.from({ length: 2 * n }, (_, i) => (i % 2 === 0 ? i / (2 * n) : 0));
    expect(density(uniform)[n / 2]).toBeCloseTo(1, 1);
  });
});

it("finds the pictures of a map that shows some of the samples only", () => {
  expect(positionsOf(Int32Array.of(2, 9), Int32Array.of(0, 2, 5, 9))).toEqual(Int32Array.of(1, 3));
  expect(positionsOf(Int32Array.of(2, 9), Int32Array.of(2, 9))).toBeNull();
});

it("reads the address with care", () => {
  const info = { latent_dim: 3, dims_by_usage: [2, 0, 1], maps: ["pca", "umap"] } as unknown as Explorer["info"];
  expect([dimensionOf("", info, -1), dimensionOf("", info, 2), dimensionOf("1", info, 2), dimensionOf("9", info, -1), dimensionOf("x", info, -1)]).toEqual([2, 0, 1, 2, 2]);
  expect(mapsOf(info)).toEqual(["pca", "umap"]);
  expect([toolOf("", true), toolOf("decode", false), toolOf("select", true)]).toEqual(["decode", "pan", "select"]);
});
