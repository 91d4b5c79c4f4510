// Requests to the server that the page came from: relative addresses only, so that the page works behind a prefix.
import { unpack, type Message } from "./tensors";

export class ServerError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const GONE = "The server does not answer. Start it again with `narrows open`; this page then goes on.";

async function request(path: string, options: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...options });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ServerError(0, GONE);
  }
  if (response.ok) return response;
  let sentence = `The server answered ${response.status}.`;
  try {
    sentence = ((await response.json()) as { error?: string }).error ?? sentence;
  } catch {
    // not JSON, as from a proxy: the number has to do
  }
  throw new ServerError(response.status, sentence);
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await request(path, signal ? { signal } : {});
  return (await response.json()) as T;
}

export async function post<T>(path: string, body: unknown = {}): Promise<T> {
  const response = await request(path, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  });
  return (await response.json()) as T;
}

export async function postBytes(path: string, body: Blob | ArrayBuffer): Promise<Message> {
  const response = await request(path, { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body });
  return unpack(await response.arrayBuffer());
}

/** A binary answer. While the server still computes (202), `waiting` gets its sentence and the request is repeated. */
export async function getTensors(
  path: string, signal?: AbortSignal, waiting: (sentence: string) => void = () => undefined,
): Promise<Message> {
  for (;;) {
    const response = await request(path, signal ? { signal } : {});
    if (response.status !== 202) return unpack(await response.arrayBuffer());
    waiting(((await response.json()) as { progress: string }).progress);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    if (signal?.aborted) throw new DOMException("aborted", "AbortError");
  }
}

export function runPath(run: string, rest = ""): string {
  return `api/runs/${encodeURIComponent(run)}${rest && `/${rest}`}`;
}
