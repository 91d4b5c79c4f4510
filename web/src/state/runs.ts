// The runs of the folder, kept up to date by the server's events; one list for the whole page.
import { useEffect, useState } from "preact/hooks";
import { listen } from "../api/events";
import { get } from "../api/http";
import type { RunRow } from "../api/types";

export interface Store {
  runs: RunRow[];
  problems: string[];
  folder: string;
  state: "loading" | "ready" | "error";
  error: string;
  online: boolean;
  /** The run that a view shows when the address names none: the latest. */
  latest(named: string | null): string | null;
}

const store: Store = {
  runs: [], problems: [], folder: "", state: "loading", error: "", online: true,
  latest: (named) => named ?? store.runs[0]?.name ?? null,
};
const listeners = new Set<() => void>();
let started = false;

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
    const { runs, problems, folder } = await get<{ runs: RunRow[]; problems: string[]; folder: string }>("api/runs");
    Object.assign(store, { runs: merged([], runs, []), problems, folder, state: "ready", error: "", online: true });
  } catch (error) {
    store.online = false;
    if (store.state === "loading") Object.assign(store, { state: "error", error: (error as Error).message });
  }
  changed();
}

function start(): void {
  if (started) return;
  started = true;
  listen({
    opened: () => void refresh(),
    runs: ({ changed: rows, gone, problems }) => {
      store.runs = merged(store.runs, rows, gone);
      store.problems = problems;
      changed();
    },
    online: (online) => {
      if (store.online === online) return;
      store.online = online;
      changed();
    },
  });
  void refresh();
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
