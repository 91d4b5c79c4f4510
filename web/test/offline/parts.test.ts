import { expect, it } from "vitest";
import { placed, usual } from "../../src/offline/drawing";
import { reduced } from "../../src/offline/display";
import { corrupt, normal, uniform } from "../../src/offline/noise";

it("draws uniform and normal numbers", () => {
  const draw = uniform(7), numbers = Array.from({ length: 20_000 }, draw);
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  expect(mean(numbers)).toBeCloseTo(0.5, 2);
  expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...numbers)).toBeLessThan(1);
  const gauss = normal(uniform(8)), normals = Array.from({ length: 20_000 }, gauss);
  expect(mean(normals)).toBeCloseTo(0, 1);
  expect(mean(normals.map((value) => value ** 2))).toBeCloseTo(1, 1);
});

it("corrupts a share of the values", () => {
  const x = new Float32Array(10_000).fill(0.5);
  const share = (kind: string, hit: (value: number) => boolean) => corrupt(x, kind, 0.3, 1).filter(hit).length / x.length;
  expect(share("masking", (value) => value === 0)).toBeCloseTo(0.3, 1);
  expect(share("dropout", (value) => value > 0.7)).toBeCloseTo(0.7, 1);
  expect(share("salt_pepper", (value) => value === 1)).toBeCloseTo(0.15, 1);
  expect(share("uniform", (value) => value > 0.5)).toBeCloseTo(0.3, 1);
  const deviation = Math.sqrt(corrupt(x, "gaussian", 0.3, 1).reduce((sum, value) => sum + (value - 0.5) ** 2, 0) / x.length);
  expect(deviation).toBeCloseTo(0.3, 1);
  expect(() => corrupt(x, "warp", 0.1, 1)).toThrow("warp");
});

it("brings a drawing to where the ink of the data is", () => {
  const data = new Uint8Array(10 * 10);
  for (let y = 3; y < 7; y++) for (let x = 5; x < 8; x++) data[y * 10 + x] = 255;
  const like = usual({ shape: [1, 10, 10], data })!;
  expect(like).toEqual({ side: 0.4, middle: [0.5, 0.65] });
  const drawn = new Float32Array(100 * 100);
  for (let y = 10; y < 90; y++) for (let x = 0; x < 60; x++) drawn[y * 100 + x] = 255;
  const { data: got } = placed({ h: 100, w: 100, data: drawn }, 10, 10, like);
  expect([...got].map(Math.round)).toEqual([...data]);
});

it("makes pictures smaller by means of blocks", () => {
  const data = Uint8Array.from({ length: 16 }, (_, i) => i * 10);
  expect([...reduced({ shape: [1, 4, 4], data }, 2).data]).toEqual([25, 45, 105, 125]);
});
