// The sample that one points at, or that is pinned, beside its reconstruction.
import type { ModelInfo } from "../../api/types";
import { Sample } from "../../draw/sample";
import { Button } from "../../ui/controls";
import { number } from "../../ui/numbers";
import { useCell, type Cell } from "./cell";
import { useSample, type Shelf } from "./data";

const PAUSE = 60; // ms that the pointer rests on a point before it is asked for

export function PointedCard(
  { info, shelf, rows, pointed, pinned, errorUnit, pin, mark }: {
    info: ModelInfo; shelf: Shelf; rows: Int32Array; pointed: Cell<number>; pinned: number; errorUnit: string;
    pin: (point: number) => void;
    /** Undefined where there are no paths. */
    mark: ((end: "a" | "b", point: number) => void) | undefined;
  },
) {
  const here = useCell(pointed);
  const point = here >= 0 ? here : pinned;
  const shown = useSample(shelf, point < 0 ? null : rows[point] ?? null, here >= 0 ? PAUSE : 0);
  const looked = shown?.looked ?? null, label = looked?.labels[0] ?? null;
  const isPinned = point >= 0 && point === pinned;
  const id = looked?.ids[0] ?? "";
  return (
    <section class="card stack codes-pointed" aria-label="Sample">
      <div class="spread">
        <h2>{isPinned ? "Pinned sample" : "Sample"}</h2>
        <span class="faint small id" title={id}>{looked === null ? "" : /^\d+$/.test(id) ? `#${id}` : id}</span>
      </div>
      <div class="codes-pair">
        <figure>
          <Sample
            info={info} samples={looked?.x ?? null} label={label === null ? "the sample" : `the sample, ${label}`}
            behind={info.kind === "table" ? looked?.reconstruction ?? null : null}
          />
          <figcaption>{label === null ? "sample" : <strong>{label}</strong>}</figcaption>
        </figure>
        <figure>
          {info.kind !== "table" && <Sample info={info} samples={looked?.reconstruction ?? null} behind={looked?.x ?? null} label="its reconstruction" />}
          <figcaption title={errorUnit}>
            {info.kind === "table" && <span class="codes-other">reconstruction</span>}
            {looked === null ? info.kind !== "table" && "reconstruction" : <> error <strong>{number(looked.error[0])}</strong></>}
          </figcaption>
        </figure>
      </div>
      {point < 0 && <p class="hint">Point at a code to see its sample; click, or press Enter, to keep it here.</p>}
      {point >= 0 && (
        <div class="row tight">
          <Button onClick={() => pin(isPinned ? -1 : point)}>{isPinned ? "Unpin" : "Pin"}</Button>
          {mark && <Button onClick={() => mark("a", point)} label="Make it end A of the path (a)">A</Button>}
          {mark && <Button onClick={() => mark("b", point)} label="Make it end B of the path (b)">B</Button>}
        </div>
      )}
    </section>
  );
}
