// The same samples, reconstructed by every run: originals first.
import { useEffect, useState } from "preact/hooks";
import { get, getTensors, runPath } from "../../api/http";
import type { Message } from "../../api/tensors";
import type { Kind, RunDetail } from "../../api/types";
import { Sample } from "../../draw/sample";
import type { Samples } from "../../model/explorer";
import { useNumber, useParam } from "../../state/route";
import { Button } from "../../ui/controls";
import { Notice } from "../../ui/notice";
import { distributionOf } from "../run/frames";
import { drawn } from "./table";

const SHOWN = 12;

export function ComparedSamples({ runs }: { runs: string[] }) {
  const [draw, setDraw] = useNumber("draw", 0);
  const [from, setFrom] = useParam("from", "0");
  const first = useDetail(runs[0] ?? "");
  const split = first?.split ?? "test";
  const size = typeof first?.data_about.splits[split] === "number" ? first.data_about.splits[split] as number : SHOWN;
  const start = Math.min(Math.max(0, Math.floor(Number(from) || 0)), Math.max(0, size - 1));
  const rows = draw > 0 ? drawn(SHOWN, size, draw) : Array.from({ length: Math.min(SHOWN, size - start) }, (_, i) => start + i);
  const { message, error, loading } = useCompared(first === null ? [] : runs, rows);
  const originals = (message?.tensors["originals"] ?? null) as Samples | null;
  const kind = originals === null ? "image" : kindOf(message!, originals);
  const columns = first?.data_about.columns ?? null;
  const info = { kind, columns, distribution: kind === "table" && originals !== null ? distributionOf(originals, columns) : [] };
  const row = (title: string, samples: Samples | null, behind: Samples | null) => (
    <div class="strip" role="group" aria-label={title} key={title}>
      <p class="clip" title={title}>{title}</p>
      <div class={`cells ${kind}`}>
        {rows.slice(0, kind === "image" ? SHOWN : 4).map((sample, i) => (
          <Sample
            key={i} info={info} samples={samples} index={i} size="small" label={`sample ${sample}, ${title}`}
            behind={behind === null ? null : { shape: [1, ...behind.shape.slice(1)], data: partOf(behind, i) }}
          />
        ))}
      </div>
    </div>
  );
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
      {error !== "" && <Notice kind="error" title="No samples">{error}</Notice>}
      {error === "" && message === null && <Notice kind="loading" title="Reconstructing" />}
      {error === "" && message !== null && (
        <div class={`stack compared ${loading ? "stale" : ""}`} aria-busy={loading}>
          {row("original", originals, null)}
          {runs.filter((run) => message.tensors[run] !== undefined).map((run) => row(run, message.tensors[run] as Samples, kind === "image" ? null : originals))}
        </div>
      )}
    </section>
  );
}

function partOf(samples: Samples, i: number): Samples["data"] {
  const size = samples.shape.slice(1).reduce((a, b) => a * b, 1);
  return samples.data.subarray(i * size, (i + 1) * size);
}

function kindOf(message: Message, originals: Samples): Kind {
  const told = message.meta["kind"] as Kind | undefined;
  if (told !== undefined) return told;
  if (originals.data instanceof Uint8Array) return "image";
  return originals.shape.length === 2 ? "table" : "sequence";
}

function useDetail(run: string): RunDetail | null {
  const [detail, setDetail] = useState<RunDetail | null>(null);
  useEffect(() => {
    const stop = new AbortController();
    get<RunDetail>(runPath(run), stop.signal).then(setDetail, () => undefined);
    return () => stop.abort();
  }, [run]);
  return detail;
}

/** The samples of all runs; those before stay until the next are there. */
function useCompared(runs: string[], rows: number[]): { message: Message | null; error: string; loading: boolean } {
  const [state, setState] = useState<{ message: Message | null; error: string; loading: boolean }>({ message: null, error: "", loading: true });
  const path = `api/compare/samples?${runs.map((run) => `run=${encodeURIComponent(run)}`).join("&")}&rows=${rows.join(",")}`;
  useEffect(() => {
    if (runs.length === 0) return;
    const stop = new AbortController();
    setState(({ message }) => ({ message, error: "", loading: true }));
    getTensors(path, stop.signal).then(
      (message) => setState({ message, error: "", loading: false }),
      (reason: Error) => {
        if (!stop.signal.aborted) setState({ message: null, error: reason.message, loading: false });
      },
    );
    return () => stop.abort();
  }, [path]);
  return state;
}
