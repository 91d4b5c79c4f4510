// What is heard of several runs while they are shown: histories, epochs that have frames, and advice, all live.
import { useEffect, useRef, useState } from "preact/hooks";
import { get, runPath, ServerError } from "../../api/http";
import type { Advice, Epoch, RunDetail } from "../../api/types";
import { follow } from "../../state/runs";

export interface Feed {
  run: string;
  detail: RunDetail | null;
  lines: Epoch[];
  /** Lines of the history that are no epochs. */
  broken: number;
  /** Epochs that have a frame. */
  frames: number[];
  /** Null until the diagnosis has come to an end. */
  advice: Advice[] | null;
  error: string;
}

/** The history with new lines at its end; a training that goes on from a checkpoint writes some epochs again. */
export function appended(lines: Epoch[], more: Epoch[]): Epoch[] {
  const first = more[0]?.epoch;
  if (first === undefined) return lines;
  let keep = lines.length;
  while (keep > 0 && lines[keep - 1]!.epoch >= first) keep--;
  return [...(keep === lines.length ? lines : lines.slice(0, keep)), ...more];
}

/** Epochs in order, without those that are written again. */
export function united(epochs: number[], more: number[]): number[] {
  return [...new Set([...epochs, ...more])].sort((a, b) => a - b);
}

function follower(run: string, changed: () => void): { feed: Feed; refresh: () => Promise<void>; stop: () => void } {
  const feed: Feed = { run, detail: null, lines: [], broken: 0, frames: [], advice: null, error: "" };
  let offset = 0, fresh = true, stopped = false;

  async function refresh(): Promise<void> {
    try {
      feed.detail = await get<RunDetail>(runPath(run));
      feed.error = "";
    } catch (error) {
      // The frame of the page says that the server is gone; here only what it answers is said.
      if (error instanceof ServerError && (error.status !== 0 || feed.detail === null)) feed.error = error.message;
    }
    if (!stopped) changed();
  }

  const end = follow({
    run, offset: () => offset,
    opened: () => {
      fresh = true;
      void refresh();
    },
    // The stream tells everything from the offset on, in order: nothing is missed, and nothing comes twice.
    history: ({ lines, offset: at, reset, broken }) => {
      feed.lines = reset ? lines : appended(feed.lines, lines);
      feed.broken = (reset ? 0 : feed.broken) + (broken ?? 0);
      offset = at;
      changed();
    },
    frames: ({ epochs, gone }) => {
      const left = new Set(gone ?? []);
      feed.frames = united(fresh ? [] : feed.frames.filter((epoch) => !left.has(epoch)), epochs);
      fresh = false;
      changed();
    },
    advice: (advice) => {
      feed.advice = advice;
      changed();
    },
  });
  return { feed, refresh, stop: () => { stopped = true; end(); } };
}

/** The feeds of runs in their order; `refresh` reads a run's details anew, as when its status changed. */
export function useFeeds(runs: string[]): { feeds: Feed[]; refresh: (run: string) => void } {
  const [, redraw] = useState(0);
  const known = useRef(new Map<string, ReturnType<typeof follower>>());
  const waiting = useRef(false);
  const changed = () => {
    if (waiting.current) return;
    waiting.current = true;
    requestAnimationFrame(() => { // once per picture, however many lines arrive
      waiting.current = false;
      redraw((n) => n + 1);
    });
  };
  useEffect(() => {
    for (const [run, { stop }] of [...known.current]) {
      if (runs.includes(run)) continue;
      stop();
      known.current.delete(run);
    }
    for (const run of runs) {
      if (!known.current.has(run)) known.current.set(run, follower(run, changed));
    }
    changed();
  }, [runs.join("\n")]);
  useEffect(() => () => known.current.forEach(({ stop }) => stop()), []);
  const feeds = runs.flatMap((run) => known.current.get(run)?.feed ?? []);
  return { feeds, refresh: (run) => void known.current.get(run)?.refresh() };
}
