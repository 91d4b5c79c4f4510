// Where a run stands: its status, and how far it is or why it ended.
import type { RunRow } from "../../api/types";
import { duration, whole } from "../../ui/numbers";

export function Progress({ run }: { run: RunRow }) {
  return (
    <>
      <span class={`status ${run.status}`}>{run.status}</span>
      {run.status === "running" ? (
        <>
          <progress value={run.epoch} max={run.epochs ?? Math.max(1, run.epoch)} aria-label={`Progress of ${run.name}`} />
          <span class="small faint">{whole(run.epoch)}{run.epochs === null ? "" : ` of ${whole(run.epochs)}`}{run.left === null ? "" : `, ${duration(run.left)} left`}</span>
        </>
      ) : (
        <span class="small faint clip" title={run.failure}>{run.failure || epochsOf(run)}</span>
      )}
    </>
  );
}

function epochsOf({ epoch, epochs }: RunRow): string {
  if (epoch === epochs || epochs === null) return `${whole(epoch)} ${epoch === 1 ? "epoch" : "epochs"}`;
  return `${whole(epoch)} of ${whole(epochs)} epochs`;
}
