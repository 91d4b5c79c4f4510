// The stream of what changes on the server. A hidden tab listens to nothing, and catches up when it is shown again.
import type { Advice, Epoch, RunRow } from "./types";

export interface HistoryChange {
  run: string;
  lines: Epoch[];
  offset: number;
  /** Lines that are no record of an epoch. */
  broken?: number;
  /** The file was written anew: what was known of it is replaced. */
  reset?: boolean;
}

export interface FramesChange {
  run: string;
  epochs: number[];
  gone?: number[];
}

export interface Listener {
  runs?: (change: { changed: RunRow[]; gone: string[]; problems: string[] | null }) => void;
  history?: (change: HistoryChange) => void;
  frames?: (change: FramesChange) => void;
  advice?: (change: { run: string; advice: Advice[] }) => void;
  /** Whether the server is heard from. */
  online?: (online: boolean) => void;
  /** Called whenever a connection begins: what changed before it is asked for anew. */
  opened?: () => void;
}

export interface Stream {
  /** Connect anew, with other offsets. */
  reopen(): void;
  close(): void;
}

/** Listen until closed; `offsets` tells where each followed run's history goes on. */
export function listen(listener: Listener, offsets: () => Record<string, number> = () => ({})): Stream {
  let source: EventSource | null = null;
  let retry: ReturnType<typeof setTimeout> | undefined;

  function open(): void {
    stop();
    if (document.hidden) return;
    const follow = Object.entries(offsets()).map(([run, offset]) => `follow=${encodeURIComponent(`${run}:${offset}`)}`);
    source = new EventSource(`api/events?${follow.join("&")}`);
    source.onopen = () => {
      listener.online?.(true);
      listener.opened?.();
    };
    source.onerror = () => {
      listener.online?.(false);
      stop(); // with new offsets, which the browser's own reconnection would not send
      retry = setTimeout(open, 1500);
    };
    for (const name of ["runs", "history", "frames", "advice"] as const) {
      source.addEventListener(name, (event) => {
        const handler = listener[name] as ((change: unknown) => void) | undefined;
        handler?.(JSON.parse((event as MessageEvent<string>).data));
      });
    }
  }

  function stop(): void {
    clearTimeout(retry);
    source?.close();
    source = null;
  }

  document.addEventListener("visibilitychange", open);
  open();
  return {
    reopen: open,
    close: () => {
      document.removeEventListener("visibilitychange", open);
      stop();
    },
  };
}
