import { describe, expect, it } from "vitest";
import { Slots } from "../src/views/codes/atlas";
import { blendPoints, Disc } from "../src/views/codes/canvas";
import { growth, levelOf, Placement, SPACING } from "../src/views/codes/placement";
import { diameterOf, SLOTS } from "../src/views/codes/renderer";
import { boundsOf, ticks, Viewport } from "../src/views/codes/viewport";

function shown(points: number[], free = false): Viewport {
  const view = new Viewport();
  view.resize(800, 600);
  view.show(boundsOf(Float32Array.from(points)), free);
  return view;
}

describe("the viewport", () => {
  const corners = [-2, -1, 2, 1];
  it("shows all points, with one scale for both axes unless they mean different things", () => {
    const view = shown(corners);
    expect([view.screenX(-2), view.screenX(2)]).toEqual([56, 744]);
    expect(view.sx).toBe(view.sy);
    const free = shown([-2, -100, 2, 100], true);
    expect([free.screenY(100), free.screenY(-100)]).toEqual([42, 558].map((y) => expect.closeTo(y, 6)));
  });
  it("keeps the place under the pointer when it zooms, and turns screen into plane and back", () => {
    const view = shown(corners);
    const x = view.toX(600), y = view.toY(200);
    view.zoomAt(600, 200, 3);
    expect(view.zoom).toBe(3);
    expect([view.screenX(x), view.screenY(y)]).toEqual([expect.closeTo(600, 6), expect.closeTo(200, 6)]);
    expect(view.toX(view.screenX(0.3))).toBeCloseTo(0.3, 9);
  });
  it("pans by pixels, stays near the points, and is resized around its centre", () => {
    const view = shown(corners);
    view.pan(86, -43);
    expect([view.cx, view.cy]).toEqual([expect.closeTo(-0.5, 9), expect.closeTo(-0.25, 9)]);
    view.pan(-1e6, 0);
    expect(view.cx).toBe(3);
    view.resize(400, 300);
    expect(view.cx).toBe(3);
  });
  it("is written into the address and read back; nonsense shows all", () => {
    const view = shown(corners);
    expect(view.write()).toBe("");
    view.zoomAt(500, 300, 4);
    const other = shown(corners);
    other.read(view.write());
    expect([other.cx, other.cy, other.zoom]).toEqual([view.cx, view.cy, view.zoom].map((v) => expect.closeTo(v, 4)));
    other.read("a,b,,");
    expect(other.fitted).toBe(true);
  });
  it("leaves a few far points outside, and stands one point or none", () => {
    const many = Array.from({ length: 2000 }, (_, i) => Math.sin(i));
    many[0] = 1000;
    expect(boundsOf(Float32Array.from(many)).high[0]).toBeLessThan(2);
    expect(boundsOf(Float32Array.from([3, 4]))).toEqual({ low: [2, 3], high: [4, 5] });
    expect(boundsOf(new Float32Array(0))).toEqual({ low: [-1, -1], high: [1, 1] });
  });
  it("has round ticks", () => {
    expect(ticks(-2.3, 2.2, 450)).toEqual([-2, -1, 0, 1, 2]);
    expect(ticks(0, 0.031, 300)).toEqual([0, 0.01, 0.02, 0.03]);
  });
});

describe("thumbnails", () => {
  const n = 3000;
  const points = Float32Array.from({ length: 2 * n }, (_, i) => Math.sin(i * 12.9898) * 2);
  const colours = new Uint8Array(4 * n).fill(255);
  it("never overlap within a level, and every point is near one", () => {
    const placement = Placement.at(0, points, 200, 200);
    placement.extend(n, colours, 1);
    const chosen = [...placement.chosen.subarray(0, placement.count)];
    expect(chosen.length).toBeGreaterThan(20);
    const apart = (i: number, j: number) =>
      Math.max(Math.abs(points[2 * i]! - points[2 * j]!), Math.abs(points[2 * i + 1]! - points[2 * j + 1]!)) * 200;
    for (const i of chosen) for (const j of chosen) if (i !== j) expect(apart(i, j)).toBeGreaterThanOrEqual(SPACING - 1e-3);
    for (let i = 0; i < n; i++) expect(Math.min(...chosen.map((j) => apart(i, j)))).toBeLessThan(SPACING);
  });
  it("are the same whether all pictures arrive at once or in parts, and leave out what is not meant", () => {
    const once = Placement.at(2, points, 100, 100), parts = Placement.at(2, points, 100, 100);
    once.extend(n, colours, 1);
    for (const end of [100, 1700, n]) parts.extend(end, colours, 1);
    expect(parts.chosen.subarray(0, parts.count)).toEqual(once.chosen.subarray(0, once.count));
    const few = colours.slice();
    few[3] = 0;
    const without = Placement.at(2, points, 100, 100);
    without.extend(n, few, 1);
    expect([...without.chosen.subarray(0, without.count)]).not.toContain(0);
    expect(once.chosen[0]).toBe(0);
  });
  it("grow from one level to the next", () => {
    expect([levelOf(1), levelOf(2), levelOf(4)]).toEqual([0, 2, 4]);
    expect(growth(2)).toBe(1);
    expect(growth(1.999 * Math.SQRT1_2)).toBeGreaterThan(1.4);
  });
  it("take slots from pictures that are out of sight, never from those of the same frame", () => {
    const slots = new Slots(2 * SLOTS);
    slots.nextFrame();
    const first = new Set(Array.from({ length: SLOTS }, (_, i) => slots.take(i)));
    expect(first.size).toBe(SLOTS);
    expect(slots.take(SLOTS)).toBe(-1);
    slots.nextFrame();
    slots.nextFrame();
    for (let i = 0; i < 10; i++) expect(slots.find(i)).toBeGreaterThanOrEqual(0);
    const taken = Array.from({ length: 100 }, (_, i) => slots.take(SLOTS + i));
    expect(taken.every((slot) => slot >= 0)).toBe(true);
    expect(Array.from({ length: 10 }, (_, i) => slots.find(i)).every((slot) => slot >= 0)).toBe(true);
    expect(slots.find(SLOTS)).toBe(taken[0]);
  });
});

describe("points on a canvas", () => {
  it("are blended where they lie, and not beyond the edge", () => {
    const pixels = new Uint32Array(20 * 10).fill(0xffffffff);
    const points = Float32Array.from([5, -5, 100, -5, 0, 0]);
    blendPoints(pixels, 20, 10, points, Uint8Array.from([255, 0, 0, 255, 255, 0, 0, 255, 0, 0, 0, 255]), new Disc(3), 1, 1, 0, 0);
    expect((pixels[5 * 20 + 5]! >>> 0).toString(16)).toBe("ff0000ff");
    expect(pixels.filter((pixel) => pixel !== 0xffffffff).length).toBeLessThan(17);
    expect(pixels[0]).toBe(0xffffffff);
  });
  it("cover as many pixels as their area", () => {
    const disc = new Disc(6);
    for (const mask of disc.coverage) expect(mask.reduce((a, b) => a + b, 0) / 256).toBeCloseTo(Math.PI * 9, -0.5);
  });
  it("are small where there are many and larger when zoomed in", () => {
    expect(diameterOf(60000, 1)).toBeLessThan(diameterOf(1000, 1));
    expect(diameterOf(60000, 16)).toBeGreaterThan(2 * diameterOf(60000, 1));
    expect(diameterOf(10, 1e9)).toBe(9);
  });
});
