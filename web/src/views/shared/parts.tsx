// What the views of one model share: which split, which sample, and saving into the run.
import { useState } from "preact/hooks";
import type { Explorer, Looked } from "../../model/explorer";
import { Button, Select, Slider, TextField } from "../../ui/controls";
import { Absent } from "../../ui/notice";
import { whole } from "../../ui/numbers";
import { complain, toast } from "../../ui/toasts";
import { useLive } from "./live";
import "./shared.css";

export function ViewHead({ title, children }: { title: string; children: string }) {
  return (
    <div class="head view-head">
      <h1>{title}</h1>
      <p class="faint">{children}</p>
    </div>
  );
}

/** A view that makes no sense for this model, and why. */
export function Without({ title, why }: { title: string; why: string }) {
  return (
    <>
      <h1>{title}</h1>
      <Absent what={title} why={why} />
    </>
  );
}

export function SplitSelect({ explorer, split, onChange }: { explorer: Explorer; split: string; onChange: (split: string) => void }) {
  const splits = Object.entries(explorer.info.splits);
  if (splits.length < 2) return null;
  return (
    <Select
      label="Samples of" value={split} onChange={onChange}
      options={splits.map(([name, n]) => ({ value: name, label: `${name} (${whole(n)})` }))}
    />
  );
}

/** The split that the address names, if there is one of that name. */
export function splitOf({ info }: Explorer, name: string): string {
  return name in info.splits ? name : info.default_split;
}

export function sampleName(looked: Looked | null, i: number, row: number, withId = true): string {
  const label = looked?.labels[i], id = looked?.ids[i];
  const named = withId && id !== undefined && id !== String(row) ? ` (${id})` : "";
  return `sample ${row}${label === null || label === undefined ? "" : `, label ${label}`}${named}`;
}

/** A sample by slider, by arrows and by number. */
export function RowField({ n, row, name, onChange }: { n: number; row: number; name: string; onChange: (row: number) => void }) {
  const clamp = (value: number) => Math.min(n - 1, Math.max(0, Math.round(value)));
  return (
    <div class="row-field">
      <Slider label="Sample" value={row} low={0} high={n - 1} step={1} format={whole} onInput={(value) => onChange(clamp(value))} />
      <div class="row-steps">
        <Button label="Previous sample" onClick={() => onChange(clamp(row - 1))} disabled={row === 0}>‹</Button>
        <p class="small" aria-live="polite">{name}</p>
        <Button label="Next sample" onClick={() => onChange(clamp(row + 1))} disabled={row === n - 1}>›</Button>
      </div>
    </div>
  );
}

/** A sample's name as one reads it; asked for while it is shown. */
export function useSampleName(explorer: Explorer, split: string, row: number | null): string {
  const { answer } = useLive(row === null ? null : `${split}/${row}`, async () => ({
    row: row ?? 0, looked: await explorer.samples(split, [row ?? 0]),
  }));
  return row === null ? "" : answer?.row === row ? sampleName(answer.looked, 0, row) : `sample ${row}`;
}

export function Save({ explorer, kind, call, fallback }: {
  explorer: Explorer; kind: "combination" | "denoised" | "generated"; call: () => Record<string, unknown> | null; fallback: string;
}) {
  const [name, setName] = useState(fallback);
  const [busy, setBusy] = useState(false);
  const { save } = explorer;
  if (save === undefined) return null;
  const run = async () => {
    const what = call();
    if (what === null || busy) return;
    setBusy(true);
    try {
      const { file } = await save(name.trim() || fallback, kind, what);
      toast({ text: `Saved in the run as ${file}.` });
    } catch (error) {
      complain(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <div class="save">
      <TextField label="Save as a picture in the run" value={name} onInput={setName} onEnter={() => void run()} />
      <Button onClick={() => void run()} disabled={busy}>Save</Button>
    </div>
  );
}

/** What went wrong, in the place that holds answers. */
export function Wrong({ error }: { error: string | null }) {
  return <p class="view-error wrong" role="alert">{error ?? ""}</p>;
}
