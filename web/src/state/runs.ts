// The runs of the folder, kept up to date by the server's events; one list and one stream for the whole page.
import { useEffect, useState } from "preact/hooks";
import { listen, type FramesChange, type HistoryChange, type Stream } from "../api/events";
import { get } from "../api/http";
import type { Advice, RunRow } from "../api/types";

export interface Store {
  runs: RunRow[];
  problems: string[];
  folder: string;
  state: "loading" | "ready" | "error";
  error: string;
  online: boolean;
  /** Runs that were started here and have no folder yet, as while their data are fetched. */
  expected: Set<string>;
  /** The run that a view shows when the address names none: the latest. */
  latest(named: string | null): string | null;
}

/** What follows one run beyond its row in the list. */
export interface Follower {
  run: string;
  /** Where its history goes on, in bytes. */
  offset(): number;
  history(change: HistoryChange): void;
  frames(change: FramesChange): void;
  advice(advice: Advice[]): void;
  /** The stream began anew: what came before it is asked for again. */
  opened(): void;
}

const store: Store = {
  runs: [], problems: [], folder: "", state: "loading", error: "", online: true, expected: new Set(),
  latest: (named) => named ?? store.runs[0]?.name ?? null,
};
const listeners = new Set<() => void>();
const followers = new Set<Follower>();
let stream: Stream | null = null;
let reopening = false;

function changed(): void {
  for (const listener of [...listeners]) listener();
}

/** The list with changed rows in their place, new ones first, and without those that are gone. */
export function merged(runs: RunRow[], rows: RunRow[], gone: string[]): RunRow[] {
  const byName = new Map(runs.map((run) => [run.name, run]));
  for (const name of gone) byName.delete(name);
  for (const row of rows) byName.set(row.name, row);
  return [...byName.values()].sort((a, b) => (a.started < b.started ? 1 : a.started > b.started ? -1 : a.name < b.name ? 1 : -1));
}

export async function refresh(): Promise<void> {
  try {
    const { runs, problems } = await get<{ runs: RunRow[]; problems: string[] }>("api/runs");
    Object.assign(store, { runs: merged([], runs, []), problems, state: "ready", error: "", online: true });
    if (store.folder === "") store.folder = (await get<{ folder: string }>("api/page")).folder;
  } catch (error) {
    store.online = false;
    if (store.state === "loading") Object.assign(store, { state: "error", error: (error as Error).message });
  }
  changed();
}

/** A run was started here: until it is in the list, its views wait for it. */
export async function expect(run: string): Promise<void> {
  store.expected.add(run);
  await refresh();
}

function of(run: string): Follower[] {
  return [...followers].filter((follower) => follower.run === run);
}

function start(): void {
  if (stream !== null) return;
  stream = listen({
    opened: () => {
      void refresh();
      for (const follower of [...followers]) follower.opened();
    },
    runs: ({ changed: rows, gone, problems }) => {
      store.runs = merged(store.runs, rows, gone);
      store.problems = problems ?? store.problems;
      changed();
    },
    history: (change) => of(change.run).forEach((follower) => follower.history(change)),
    frames: (change) => of(change.run).forEach((follower) => follower.frames(change)),
    advice: ({ run, advice }) => of(run).forEach((follower) => follower.advice(advice)),
    online: (online) => {
      if (store.online === online) return;
      store.online = online;
      changed();
    },
  }, () => Object.fromEntries([...followers].map((follower) => [follower.run, follower.offset()])));
  void refresh();
}

/** Hear of a run's history, frames and advice until the returned function is called. */
export function follow(follower: Follower): () => void {
  followers.add(follower);
  reopen();
  return () => {
    followers.delete(follower);
    reopen();
  };
}

/** Once for all that begin or stop to follow at the same time. */
function reopen(): void {
  if (reopening) return;
  reopening = true;
  queueMicrotask(() => {
    reopening = false;
    if (stream === null) start();
    else stream.reopen();
  });
}

export function useStore(): Store {
  const [, redraw] = useState(0);
  useEffect(() => {
    const listener = () => redraw((n) => n + 1);
    listeners.add(listener);
    start();
    return () => void listeners.delete(listener);
  }, []);
  return store;
}
