// The columns of the table of runs: their header, what they sort by, and their cells.
import type { ComponentChildren } from "preact";
import type { RunRow } from "../../api/types";
import { against, ago, duration, number, whole } from "../../ui/numbers";
import { Progress } from "./progress";
import { Sparkline } from "./spark";

export interface Column {
  id: string;
  label: string;
  /** The value that it sorts by; of the columns that sort by none, null. */
  sort: string | null;
  number?: boolean;
  /** Whether the first click sorts from the highest. */
  highest?: boolean;
  cell: (run: RunRow) => ComponentChildren;
}

export const COLUMNS: Column[] = [
  {
    id: "name", label: "Run", sort: "name",
    cell: (run) => (
      <>
        <a class="clip" href={`#/run/${encodeURIComponent(run.name)}`} tabIndex={-1} title={run.name}>{run.name}</a>
        <span class="small faint clip" title={settings(run)}>{settings(run)}</span>
      </>
    ),
  },
  { id: "status", label: "Status", sort: "status", cell: (run) => <Progress run={run} /> },
  { id: "model", label: "Model", sort: "model", cell: (run) => <span class="clip">{run.model}</span> },
  { id: "data", label: "Data", sort: "data", cell: (run) => <span class="clip" title={run.data}>{run.data.split("/").at(-1)}</span> },
  {
    id: "loss", label: "Loss", sort: null,
    cell: (run) => (
      <>
        <Sparkline values={run.loss} />
        <span class="visually-hidden">{run.loss.length > 0 ? `from ${number(run.loss[0])} to ${number(run.loss.at(-1))}` : "none yet"}</span>
      </>
    ),
  },
  {
    id: "error", label: "Squared error", sort: "error", number: true,
    cell: (run) => (
      <>
        <span>{number(run.error)}</span>
        <span class="small faint">
          {run.pca === null ? "\u00a0" : <>PCA {number(run.pca)} <b class={run.error !== null && run.error < run.pca ? "good" : ""}>{against(run.error, run.pca)}</b></>}
        </span>
      </>
    ),
  },
  { id: "elbo", label: "ELBO", sort: "elbo", number: true, highest: true, cell: (run) => number(run.elbo) },
  { id: "parameters", label: "Parameters", sort: "parameters", number: true, cell: (run) => whole(run.parameters) },
  { id: "seconds", label: "Duration", sort: "seconds", number: true, cell: (run) => duration(run.seconds) },
  {
    id: "started", label: "Started", sort: "started", highest: true,
    cell: (run) => <time dateTime={run.started} title={run.started.slice(0, 16).replace("T", " ")}>{ago(run.started)}</time>,
  },
];

function settings(run: RunRow): string {
  return Object.entries(run.changed).map(([name, text]) => `${name}=${text}`).join(", ") || "\u00a0";
}
