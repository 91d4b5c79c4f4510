import { expect, it } from "vitest";
import { pack, unpack } from "../src/api/tensors";
import type { ModelInfo } from "../src/api/types";
import { jupyter, type Kernel } from "../src/model/jupyter";

it("asks a kernel: JSON as content, tensors as a buffer that may lie in a larger one", async () => {
  let listener: (content: unknown, buffers: DataView[]) => void = () => undefined;
  const sent: Record<string, unknown>[] = [];
  const kernel: Kernel = {
    get: () => ({ latent_dim: 2, kind: "table" }) as ModelInfo,
    on: (_, callback) => { listener = callback; },
    off: () => undefined,
    send(content, _, buffers) {
      const meta = content as Record<string, unknown>;
      sent.push(meta);
      const { z } = unpack(buffers![0]!).tensors;
      const answer = new Uint8Array(pack({ meta: {}, tensors: { x: { shape: [1, 2], data: z!.data } } }));
      const larger = new Uint8Array(answer.length + 3);
      larger.set(answer, 3);
      listener({ seq: meta["seq"] }, [new DataView(larger.buffer, 3)]);
    },
  };
  const explorer = jupyter(kernel);
  const x = await explorer.decode(Float32Array.of(1, 2), { lane: "drag" });
  expect([...x.data]).toEqual([1, 2]);
  expect(sent).toEqual([{ do: "decode", seq: 1, lane: "drag" }]);
});
