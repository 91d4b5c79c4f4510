// The selected codes: how many, of which labels, what their mean decodes to, and some of them.
import { useEffect, useState } from "preact/hooks";
import type { ModelInfo } from "../../api/types";
import { isSuperseded, type Explorer, type Looked, type Samples } from "../../model/explorer";
import { Sample } from "../../draw/sample";
import { Button } from "../../ui/controls";
import { whole } from "../../ui/numbers";
import { complain } from "../../ui/toasts";
import { spread, tally } from "./selection";

const STRIP = 12; // members that are shown
const MEAN = 1024; // members whose mean is taken, at most
const LABELS = 5;

export function Selected(
  { info, explorer, split, members, rows, labels, nameOf, clear, pin }: {
    info: ModelInfo; explorer: Explorer; split: string; members: Int32Array; rows: Int32Array; labels: Int32Array | null;
    nameOf: (label: number) => string; clear: () => void; pin: (point: number) => void;
  },
) {
  const [mean, setMean] = useState<Samples | null>(null);
  const [strip, setStrip] = useState<{ looked: Looked; points: number[] } | null>(null);
  useEffect(() => {
    let current = true;
    setMean(null);
    setStrip(null);
    if (members.length === 0) return;
    const failed = (error: unknown) => { if (current && !isSuperseded(error)) complain(error); };
    const points = spread(members, STRIP), taken = spread(members, MEAN).map((point) => rows[point]!);
    explorer.samples(split, points.map((point) => rows[point]!)).then((looked) => { if (current) setStrip({ looked, points }); }, failed);
    if (info.code.continuous) {
      explorer.blend(split, taken, taken.map(() => 1 / taken.length), "mean").then(({ x }) => { if (current) setMean(x); }, failed);
    }
    return () => { current = false; };
  }, [explorer, split, members, rows]);
  const counts = labels === null ? [] : tally(members, labels);
  return (
    <section class="card stack codes-selected" aria-label="Selection">
      <div class="spread">
        <h2 aria-live="polite">{members.length === 0 ? "No code is selected" : `${whole(members.length)} selected`}</h2>
        <Button kind="quiet" label="Clear the selection (Escape)" onClick={clear}>Clear</Button>
      </div>
      {counts.length > 0 && (
        <ul class="codes-counts">
          {counts.slice(0, LABELS).map(([label, count]) => (
            <li key={label}>
              <span class="text">{nameOf(label)}</span>
              <meter min={0} max={members.length} value={count} aria-label={`share of ${nameOf(label)}`} />
              <span class="number">{whole(count)}</span>
            </li>
          ))}
          {counts.length > LABELS && <li class="faint">{counts.length - LABELS} more labels</li>}
        </ul>
      )}
      {members.length > 0 && info.code.continuous && (
        <figure class="codes-mean">
          <Sample info={info} samples={mean} size={info.kind === "image" ? "small" : "medium"} label="What the mean of the selected codes decodes to" />
          <figcaption>What the mean of {members.length > MEAN ? `${whole(MEAN)} of these codes, evenly chosen,` : "these codes"} decodes to</figcaption>
        </figure>
      )}
      {strip !== null && (
        <div class="codes-strip" role="group" aria-label="Some of the selected samples">
          {strip.points.map((point, i) => (
            <button key={point} type="button" class="codes-member" title={strip.looked.ids[i]} aria-label={`Pin sample ${strip.looked.ids[i]}`} onClick={() => pin(point)}>
              <Sample info={info} samples={strip.looked.x} index={i} size="small" label="" />
            </button>
          ))}
        </div>
      )}
    </section>
  );
}
