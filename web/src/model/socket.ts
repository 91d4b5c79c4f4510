// The model is on the server: calls go over one WebSocket, large answers over HTTP.
import { get, getTensors, post, postBytes, runPath } from "../api/http";
import { floats, integers, pack, unpack } from "../api/tensors";
import type { Inverse, ModelInfo } from "../api/types";
import { Calls, preparedOf, samplesOf, verbs } from "./calls";
import type { Explorer, Samples } from "./explorer";

export async function connect(run: string, signal: AbortSignal): Promise<Explorer> {
  const info = await get<ModelInfo>(runPath(run, "model"), signal);
  const line = new Line(new URL(runPath(run, "socket"), document.baseURI));
  const query = (path: string, values: Record<string, string | number>) =>
    runPath(run, `${path}?${new URLSearchParams(Object.entries(values).map(([name, value]) => [name, String(value)]))}`);
  const explorer: Explorer = {
    info,
    ...verbs(info, line.calls),
    async codes(split, map, stop, waiting) {
      const message = await getTensors(query("codes", { split, map }), stop, waiting);
      return {
        points: floats(message, "points").data,
        rows: integers(message, "rows").data,
        names: message.meta["names"] as [string, string],
        inverse: message.meta["inverse"] as Inverse,
        centre: Float32Array.from(message.meta["centre"] as number[]),
      };
    },
    async values(split, stop) {
      const message = await getTensors(query("values", { split }), stop);
      const labels = message.tensors["labels"]?.data;
      return {
        rows: integers(message, "rows").data,
        labels: labels instanceof Int32Array || labels instanceof Float32Array ? labels : null,
        error: floats(message, "error").data,
        score: floats(message, "score").data,
        labelNames: (message.meta["label_names"] ?? null) as string[] | null,
        ids: (message.meta["ids"] ?? null) as string[] | null,
        errorUnit: message.meta["error_unit"] as string,
        scoreUnit: message.meta["score_unit"] as string,
      };
    },
    async samples(split, rows) {
      const message = await getTensors(query("samples", { split, rows: rows.join(",") }));
      return {
        x: samplesOf(message),
        reconstruction: samplesOf(message, "reconstruction"),
        z: floats(message, "z").data,
        error: floats(message, "error").data,
        labels: message.meta["labels"] as (string | null)[],
        ids: message.meta["ids"] as string[],
      };
    },
    async prepare(picture: Blob | Samples, draw: boolean) {
      const body = picture instanceof Blob ? picture : pack({ meta: {}, tensors: { x: picture } });
      return preparedOf(await postBytes(runPath(run, `prepare${draw ? "?draw=1" : ""}`), body));
    },
    save: (name, kind, call) => post(runPath(run, "save"), { name, kind, call }),
    close: () => line.close(),
  };
  if (info.kind === "image") {
    explorer.thumbnails = async (split, from, to, stop) =>
      samplesOf(await getTensors(query("thumbnails", { split, from, to }), stop), "tiles");
  }
  return explorer;
}

const LOST = "The connection to the server was lost. Start it again with `narrows open`.";

/** A WebSocket that is opened when it is first needed, and again after it was lost. */
class Line {
  readonly calls: Calls;
  private socket: WebSocket | null = null;
  private readonly address: URL;
  private readonly unsent: ArrayBuffer[] = [];

  constructor(address: URL) {
    this.address = address;
    this.address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    this.calls = new Calls({ send: (message) => this.send(pack(message)) });
  }

  private send(body: ArrayBuffer): void {
    if (this.socket?.readyState === WebSocket.OPEN) {
      this.socket.send(body);
      return;
    }
    this.unsent.push(body);
    if (this.socket === null) this.open();
  }

  private open(): void {
    const socket = new WebSocket(this.address);
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      for (const body of this.unsent.splice(0)) socket.send(body);
    };
    socket.onmessage = (event: MessageEvent<ArrayBuffer>) => this.calls.receive(unpack(event.data));
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.socket = null;
      this.unsent.length = 0;
      this.calls.fail(new Error(LOST));
    };
  }

  close(): void {
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }
}
