// The model is in a notebook's kernel: calls go over anywidget's channel, the JSON as content, the tensors as a buffer.
import { pack, unpack, type Message } from "../api/tensors";
import type { ModelInfo } from "../api/types";
import { Calls, codesOf, lookedOf, preparedOf, samplesOf, valuesOf, verbs } from "./calls";
import type { Explorer } from "./explorer";

const AGAIN = 1000; // ms between two questions for what is still being computed

/** What is used of anywidget's model. */
export interface Kernel {
  get(name: string): unknown;
  send(content: unknown, callbacks?: unknown, buffers?: ArrayBuffer[]): void;
  on(event: "msg:custom", callback: (content: unknown, buffers: DataView[]) => void): void;
  off(event: "msg:custom", callback: (content: unknown, buffers: DataView[]) => void): void;
}

export function jupyter(kernel: Kernel): Explorer {
  const info = kernel.get("info") as ModelInfo;
  const calls = new Calls({
    send: ({ meta, tensors }) => kernel.send(meta, undefined, [pack({ meta: {}, tensors })]),
  });
  const receive = (content: unknown, buffers: DataView[]) => calls.receive(received(content, buffers));
  kernel.on("msg:custom", receive);
  const explorer: Explorer = {
    info,
    ...verbs(info, calls),
    async codes(split, map, signal, waiting) {
      for (;;) {
        const message = await calls.call("codes", { split, map });
        const progress = message.meta["progress"];
        if (progress === undefined) return codesOf(message);
        waiting(String(progress));
        await new Promise((resolve) => setTimeout(resolve, AGAIN));
        if (signal.aborted) throw new DOMException("aborted", "AbortError");
      }
    },
    values: async (split) => valuesOf(await calls.call("values", { split })),
    // Each view's samples are all wanted: a lane of their own keeps them from one another.
    samples: async (split, rows) => lookedOf(await calls.call("samples", { split, rows, lane: `samples-${rows.join()}` })),
    async prepare(picture, draw) {
      const x = picture instanceof Blob ? await file(picture) : picture;
      return preparedOf(await calls.call("prepare", { draw }, picture instanceof Blob ? { file: x } : { x }));
    },
    async save(name, kind, call) {
      const message = await calls.call("save", { name, kind, call });
      return { file: String(message.meta["file"]) };
    },
    close() {
      kernel.off("msg:custom", receive);
      calls.fail(new Error("The widget was closed."));
    },
  };
  if (info.kind === "image") {
    explorer.thumbnails = async (split, from, to) =>
      samplesOf(await calls.call("thumbnails", { split, from, to, lane: `thumbnails-${from}` }), "tiles");
  }
  return explorer;
}

async function file(picture: Blob) {
  const data = new Uint8Array(await picture.arrayBuffer());
  return { shape: [data.length], data };
}

/** A message of the kernel: its JSON, and the tensors of its buffer, which may be a part of a larger one. */
export function received(content: unknown, buffers: DataView[]): Message {
  const meta = content as Record<string, unknown>;
  const [first] = buffers;
  if (first === undefined) return { meta, tensors: {} };
  const bytes = new Uint8Array(first.byteLength);
  bytes.set(new Uint8Array(first.buffer, first.byteOffset, first.byteLength));
  return { meta, tensors: unpack(bytes.buffer).tensors };
}
