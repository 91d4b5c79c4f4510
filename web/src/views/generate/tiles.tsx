// The new samples side by side; each a button, among which the arrow keys move.
import { useRef } from "preact/hooks";
import type { ModelInfo } from "../../api/types";
import { Sample } from "../../draw/sample";
import type { Samples } from "../../model/explorer";
import { rove } from "../shared/roving";
import type { Near } from "./index";

export function Tiles({ info, n, answer, near, pairs, chosen, onChoose }: {
  info: ModelInfo; n: number; answer: { x: Samples } | null; near: Near | null; pairs: boolean; chosen: number | null;
  onChoose: (i: number) => void;
}) {
  const ref = useRef<HTMLDivElement>(null);
  const count = answer?.x.shape[0] ?? n;
  const move = (event: KeyboardEvent) => {
    const to = rove(event, ref.current);
    if (to !== null) onChoose(to);
  };
  return (
    <div
      ref={ref} class={`tiles ${info.kind} n${n} ${pairs ? "pairs" : ""}`} role="group" aria-label="New samples; arrow keys move"
      onKeyDown={move}
    >
      {Array.from({ length: count }, (_, i) => (
        <button
          key={i} type="button" class={`tile ${i === chosen ? "chosen" : ""}`} aria-pressed={i === chosen} onClick={() => onChoose(i)}
          tabIndex={i === (chosen ?? 0) ? 0 : -1} aria-label={`New sample ${i + 1}`}
        >
          <Sample info={info} samples={answer?.x ?? null} index={i} size="small" label={`New sample ${i + 1}`} />
          {pairs && <Sample info={info} samples={near?.x ?? null} index={i} size="small" label={near === null ? "…" : `Nearest training sample, ${near.rows[i]}`} />}
        </button>
      ))}
    </div>
  );
}
