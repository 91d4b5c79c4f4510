// The content of an exported page: a message of tensors, deflated, in base64; src/narrows/export/page.py writes it.
import { bytes, floats, unpack, type Message } from "../api/tensors";

const STEPS = 32767;

export async function contentOf(text: string): Promise<Message> {
  const binary = atob(text.trim());
  const deflated = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  const stream = new Blob([deflated]).stream().pipeThrough(new DecompressionStream("deflate"));
  const message = unpack(await new Response(stream).arrayBuffer());
  for (const name of (message.meta["rounded"] ?? []) as string[]) {
    message.tensors[name] = restored(bytes(message, name), floats(message, `${name}_scale`).data);
  }
  return message;
}

/** Weights of 16 bits, high bytes before low ones (2, rows, ...), times a scale for each row. */
function restored({ shape: [, ...shape], data }: { shape: number[]; data: Uint8Array }, scale: Float32Array) {
  const count = data.length / 2, row = count / scale.length;
  const out = new Float32Array(count);
  for (let i = 0; i < count; i++) out[i] = ((data[i]! << 8 | data[count + i]!) - STEPS) * scale[Math.floor(i / row)]!;
  return { shape, data: out };
}
