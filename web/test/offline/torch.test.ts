// Holds what the page computes against what torch computed: tests/export/test_graph.py writes the cases.
import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { floats, unpack } from "../../src/api/tensors";
import { compile, type Layer } from "../../src/offline/graph";

const folder = process.env["NARROWS_CASES"];
const files = folder === undefined ? [] : readdirSync(folder).filter((name) => name.endsWith(".safetensors"));

it.skipIf(files.length > 0)("is run from pytest, which has torch", () => undefined);

for (const file of files) {
  it(`computes ${file} within 1e-5`, () => {
    const bytes = readFileSync(`${folder}/${file}`);
    const message = unpack(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer);
    for (const [input, output, layers] of [["x", "encoded", "encoder"], ["z", "decoded", "decoder"]] as const) {
      const wanted = floats(message, output);
      const got = compile(message.meta[layers] as Layer[], message.tensors)(floats(message, input));
      expect(got.shape).toEqual(wanted.shape);
      let largest = 0, worst = 0;
      wanted.data.forEach((value, i) => {
        largest = Math.max(largest, Math.abs(value));
        worst = Math.max(worst, Math.abs(value - got.data[i]!));
      });
      expect(worst, layers).toBeLessThan(1e-5 * Math.max(1, largest));
    }
  });
}
