// safetensors, the one binary format of the page: tensors by name, and JSON under the metadata key "json".

export type Data = Uint8Array | Int32Array | Float32Array;

export interface Tensor<T extends Data = Data> {
  shape: number[];
  data: T;
}

export interface Message {
  meta: Record<string, unknown>;
  tensors: Record<string, Tensor>;
}

const TYPES = { U8: Uint8Array, I32: Int32Array, F32: Float32Array } as const;
type Name = keyof typeof TYPES;

interface Entry {
  dtype: Name;
  shape: number[];
  data_offsets: [number, number];
}

export function unpack(buffer: ArrayBuffer): Message {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length))) as Record<string, unknown>;
  const info = header["__metadata__"] as { json?: string } | undefined;
  const tensors: Record<string, Tensor> = {};
  for (const [name, value] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const { dtype, shape, data_offsets: [start, end] } = value as Entry;
    const type = TYPES[dtype];
    if (type === undefined) throw new Error(`tensor ${name} must be one of ${Object.keys(TYPES)}; got ${dtype}`);
    // A slice, so that the numbers are aligned wherever they lie in the message.
    tensors[name] = { shape, data: new type(buffer.slice(8 + length + start, 8 + length + end)) };
  }
  return { meta: info?.json ? (JSON.parse(info.json) as Record<string, unknown>) : {}, tensors };
}

export function pack(message: Message): ArrayBuffer {
  const header: Record<string, unknown> = { __metadata__: { json: JSON.stringify(message.meta) } };
  let at = 0;
  for (const [name, { shape, data }] of Object.entries(message.tensors)) {
    const dtype = (Object.keys(TYPES) as Name[]).find((key) => data instanceof TYPES[key]);
    header[name] = { dtype, shape, data_offsets: [at, at + data.byteLength] };
    at += data.byteLength;
  }
  let text = new TextEncoder().encode(JSON.stringify(header));
  const padding = (8 - (text.length % 8)) % 8; // data begin at a multiple of 8, as safetensors asks for
  if (padding) text = new TextEncoder().encode(JSON.stringify(header) + " ".repeat(padding));
  const out = new Uint8Array(8 + text.length + at);
  new DataView(out.buffer).setBigUint64(0, BigInt(text.length), true);
  out.set(text, 8);
  let offset = 8 + text.length;
  for (const { data } of Object.values(message.tensors)) {
    out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
    offset += data.byteLength;
  }
  return out.buffer;
}

export function floats(message: Message, name: string): Tensor<Float32Array> {
  return typed(message, name, Float32Array);
}

export function integers(message: Message, name: string): Tensor<Int32Array> {
  return typed(message, name, Int32Array);
}

export function bytes(message: Message, name: string): Tensor<Uint8Array> {
  return typed(message, name, Uint8Array);
}

function typed<T extends Data>(message: Message, name: string, type: new (...args: never[]) => T): Tensor<T> {
  const tensor = message.tensors[name];
  if (tensor === undefined || !(tensor.data instanceof type)) throw new Error(`the answer has no ${name}`);
  return tensor as Tensor<T>;
}
