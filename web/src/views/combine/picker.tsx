// Samples to pick from, a page at a time; by label where there are labels, or by number.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { count, Sample } from "../../draw/sample";
import type { Term } from "../../model/expression";
import { isSuperseded, type Explorer, type Values } from "../../model/explorer";
import { Button, Select, TextField } from "../../ui/controls";
import { whole } from "../../ui/numbers";
import { useLive } from "../shared/live";
import { rove } from "../shared/roving";

const PAGE = 24;

export function Picker({ explorer, split, chosen, onPick }: {
  explorer: Explorer; split: string; chosen: Term[]; onPick: (term: Term) => void;
}) {
  const { info } = explorer;
  const n = info.splits[split] ?? 0;
  const values = useValues(explorer, split);
  const [label, setLabel] = useState("");
  const [page, setPage] = useState(0);
  const [index, setIndex] = useState("");
  useEffect(() => setPage(0), [split, label]);
  const names = values?.labelNames ?? null;
  const rows = useMemo(() => rowsOf(values, n, label), [values, n, label]);
  const pages = Math.max(1, Math.ceil(rows.length / PAGE)), at = Math.min(page, pages - 1);
  const shown = rows.slice(at * PAGE, (at + 1) * PAGE);
  const { answer, error } = useLive(shown.length === 0 ? null : `${split}/${shown.join()}`, async () => ({
    rows: shown.join(), looked: await explorer.samples(split, shown),
  }));
  const looked = answer?.rows === shown.join() ? answer.looked : null;
  const add = () => {
    const row = Number(index);
    if (!Number.isInteger(row) || index.trim() === "" || row < 0 || row >= n) return;
    onPick({ weight: 1, index: [row], label: null });
    setIndex("");
  };
  const wrong = index.trim() !== "" && !(Number.isInteger(Number(index)) && Number(index) >= 0 && Number(index) < n);
  const taken = new Set(chosen.flatMap((term) => (term.label === null ? term.index : [])));

  return (
    <section class="card stack" aria-label="Samples to pick">
      <div class="picker-head">
        <h2>Add a sample</h2>
        <div class="row">
          {names !== null && (
            <Select
              label="Label" value={label} onChange={setLabel}
              options={[{ value: "", label: "all" }, ...names.map((name) => ({ value: name, label: name }))]}
            />
          )}
          {label !== "" && <Button onClick={() => onPick({ weight: 1, index: [], label })}>Add the mean of {label}</Button>}
          <TextField
            label={`Number, 0 to ${whole(n - 1)}`} value={index} onInput={setIndex} onEnter={add} inputMode="numeric"
            {...(wrong ? { error: `0 to ${n - 1}` } : {})}
          />
          <Button onClick={add} disabled={wrong || index.trim() === ""}>Add</Button>
        </div>
      </div>
      {error !== null && <p class="wrong" role="alert">{error}</p>}
      <Strip>
        {shown.map((row, i) => {
          const name = `sample ${row}${looked?.labels[i] == null ? "" : `, label ${looked.labels[i]}`}`;
          return (
            <button
              key={row} type="button" class={`pick ${taken.has(row) ? "taken" : ""}`} tabIndex={i === 0 ? 0 : -1}
              title={`Add ${name}`} onClick={() => onPick({ weight: 1, index: [row], label: null })}
            >
              <Sample info={info} samples={looked?.x ?? null} index={looked !== null && i < count(looked.x) ? i : 0} size="small" label="" />
              <span class="small"><span class="visually-hidden">Add sample </span>{row}{looked?.labels[i] != null && <b> {looked.labels[i]}</b>}</span>
            </button>
          );
        })}
      </Strip>
      <div class="spread">
        <p class="small faint">{rows.length === 0 ? "No samples." : `${whole(at * PAGE + 1)} to ${whole(at * PAGE + shown.length)} of ${whole(rows.length)}`}</p>
        <div class="row">
          <Button onClick={() => setPage(at - 1)} disabled={at === 0}>Previous</Button>
          <Button onClick={() => setPage(at + 1)} disabled={at >= pages - 1}>Next</Button>
        </div>
      </div>
    </section>
  );
}

/** Buttons among which the arrow keys move. */
function Strip({ children }: { children: preact.ComponentChildren }) {
  const ref = useRef<HTMLDivElement>(null);
  return <div ref={ref} class="pick-strip" role="group" aria-label="Samples; arrow keys move" onKeyDown={(event) => void rove(event, ref.current)}>{children}</div>;
}

/** The labels of all samples; only where there are any. */
function useValues(explorer: Explorer, split: string): Values | null {
  const [values, setValues] = useState<Values | null>(null);
  useEffect(() => {
    setValues(null);
    if (!explorer.info.labelled || explorer.info.label_names === null) return;
    const stop = new AbortController();
    explorer.values(split, stop.signal).then(
      (found) => { if (!stop.signal.aborted) setValues(found); },
      (error) => { if (!isSuperseded(error)) setValues(null); }, // without labels one still picks by number
    );
    return () => stop.abort();
  }, [explorer, split]);
  return values;
}

function rowsOf(values: Values | null, n: number, label: string): number[] {
  const code = label === "" ? -1 : values?.labelNames?.indexOf(label) ?? -1;
  if (code < 0 || values === null || values.labels === null) return Array.from({ length: n }, (_, i) => i);
  const rows: number[] = [];
  values.labels.forEach((each, i) => { if (each === code) rows.push(values.rows[i]!); });
  return rows.sort((a, b) => a - b);
}
