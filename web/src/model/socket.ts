// The model is on the server: calls go over one WebSocket, large answers over HTTP.
import { get, getTensors, post, postBytes, runPath } from "../api/http";
import { pack, unpack } from "../api/tensors";
import type { ModelInfo } from "../api/types";
import { Calls, codesOf, lookedOf, preparedOf, samplesOf, valuesOf, verbs } from "./calls";
import type { Explorer, Samples } from "./explorer";

export async function connect(run: string, signal: AbortSignal): Promise<Explorer> {
  const info = await get<ModelInfo>(runPath(run, "model"), signal);
  const line = new Line(new URL(runPath(run, "socket"), document.baseURI));
  const query = (path: string, values: Record<string, string | number>) =>
    runPath(run, `${path}?${new URLSearchParams(Object.entries(values).map(([name, value]) => [name, String(value)]))}`);
  const explorer: Explorer = {
    info,
    ...verbs(info, line.calls),
    codes: async (split, map, stop, waiting) => codesOf(await getTensors(query("codes", { split, map }), stop, waiting)),
    values: async (split, stop) => valuesOf(await getTensors(query("values", { split }), stop)),
    samples: async (split, rows) => lookedOf(await getTensors(query("samples", { split, rows: rows.join(",") }))),
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
