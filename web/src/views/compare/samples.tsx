// The same samples, reconstructed by every run: originals first.
import { get, getTensors, runPath } from "../../api/http";
import type { Message } from "../../api/tensors";
import type { Kind, RunDetail } from "../../api/types";
import type { Samples } from "../../model/explorer";
import { useRequest } from "../../state/request";
import { useNumber, useParam } from "../../state/route";
import { Button } from "../../ui/controls";
import { Notice } from "../../ui/notice";
import { distributionOf } from "../run/frames";
import { Strip } from "../run/strip";
import { drawn } from "./table";

const SHOWN = 12;

export function ComparedSamples({ runs }: { runs: string[] }) {
  const [draw, setDraw] = useNumber("draw", 0);
  const [from, setFrom] = useParam("from", "0");
  const detail = useRequest<RunDetail>(runs[0] ?? null, (signal) => get(runPath(runs[0] ?? ""), signal));
  const first = detail.value;
  const split = first?.split ?? "test";
  const size = typeof first?.data_about.splits[split] === "number" ? first.data_about.splits[split] as number : SHOWN;
  const start = Math.min(Math.max(0, Math.floor(Number(from) || 0)), Math.max(0, size - 1));
  const rows = draw > 0 ? drawn(SHOWN, size, draw) : Array.from({ length: Math.min(SHOWN, size - start) }, (_, i) => start + i);
  const path = `api/compare/samples?${runs.map((run) => `run=${encodeURIComponent(run)}`).join("&")}&rows=${rows.join(",")}${first?.split ? `&split=${first.split}` : ""}`;
  const compared = useRequest<Message>(first === null ? null : path, (signal) => getTensors(path, signal));
  const { value: message, loading } = compared;
  const error = compared.error || detail.error;
  const originals = (message?.tensors["originals"] ?? null) as Samples | null;
  const kind = originals === null ? "image" : kindOf(message!, originals);
  const columns = first?.data_about.columns ?? null;
  const info = { kind, columns, distribution: kind === "table" && originals !== null ? distributionOf(originals, columns) : [] };
  const labels = (message?.meta["labels"] ?? null) as (string | null)[] | null;
  const problems = (message?.meta["problems"] ?? []) as string[];
  const strip = { info, most: Math.min(rows.length, kind === "image" ? SHOWN : kind === "table" ? 3 : 6), labels };
  return (
    <section class="card stack" aria-labelledby="same-samples">
      <div class="spread">
        <h2 id="same-samples">The same samples, reconstructed</h2>
        <div class="row">
          <Button disabled={draw > 0 || start === 0} onClick={() => setFrom(String(Math.max(0, start - SHOWN)))}>Previous</Button>
          <Button disabled={draw > 0 || start + SHOWN >= size} onClick={() => setFrom(String(start + SHOWN))}>Next</Button>
          <Button onClick={() => setDraw(draw + 1)}>Shuffle</Button>
          <Button kind="quiet" disabled={draw === 0} onClick={() => setDraw(0)}>In order</Button>
        </div>
      </div>
      {error !== "" && <Notice kind="error" title="No samples" action={{ label: "Try again", run: detail.error === "" ? compared.retry : detail.retry }}>{error}</Notice>}
      {error === "" && message === null && <Notice kind="loading" title="Reconstructing" />}
      {error === "" && message !== null && (
        <div class={`stack compared ${loading ? "stale" : ""}`} aria-busy={loading}>
          <Strip {...strip} title="original" what="original" samples={originals} written />
          {runs.filter((run) => message.tensors[run] !== undefined).map((run) => (
            <Strip
              {...strip} key={run} title={run} what={`reconstruction by ${run},`} samples={message.tensors[run] as Samples}
              behind={kind === "image" ? null : originals}
            />
          ))}
          {problems.map((problem) => <p class="hint" key={problem}>{problem}</p>)}
        </div>
      )}
    </section>
  );
}

function kindOf(message: Message, originals: Samples): Kind {
  const told = message.meta["kind"] as Kind | undefined;
  if (told !== undefined) return told;
  if (originals.data instanceof Uint8Array) return "image";
  return originals.shape.length === 2 ? "table" : "sequence";
}
