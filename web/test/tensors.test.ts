import { describe, expect, it } from "vitest";
import { floats, pack, unpack } from "../src/api/tensors";

describe("tensors", () => {
  it("are packed and unpacked to the same values, names and metadata", () => {
    const data = Float32Array.from([1, -2.5, 3e-8, NaN]);
    const rows = Int32Array.from([-1, 2 ** 31 - 1]);
    const message = unpack(pack({
      meta: { seq: 3, label: "été \"quoted\"" },
      tensors: { z: { shape: [2, 2], data }, rows: { shape: [2], data: rows }, tile: { shape: [3], data: Uint8Array.of(0, 127, 255) } },
    }));
    expect(message.meta).toEqual({ seq: 3, label: "été \"quoted\"" });
    expect(floats(message, "z")).toEqual({ shape: [2, 2], data });
    expect(message.tensors["rows"]?.data).toEqual(rows);
    expect([...(message.tensors["tile"]?.data ?? [])]).toEqual([0, 127, 255]);
  });
  it("of another type are refused by name", () => {
    const message = unpack(pack({ meta: {}, tensors: { z: { shape: [1], data: Int32Array.of(1) } } }));
    expect(() => floats(message, "z")).toThrow("z");
  });
});
