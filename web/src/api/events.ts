// The stream of what changes on the server. A hidden tab listens to nothing, and catches up when it is shown again.
import type { Advice, Epoch, RunRow } from "./types";

export interface Listener {
  runs?: (change: { changed: RunRow[]; gone: string[]; problems: string[] | null }) => void;
  history?: (change: { run: string; lines: Epoch[]; offset: number }) => void;
  frames?: (change: { run: string; epochs: number[] }) => void;
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
