// A slider per latent dimension. They follow the code at hand without being rendered anew: it changes many times a second.
import { useEffect, useRef, useState } from "preact/hooks";
import type { ModelInfo } from "../../api/types";
import { Button } from "../../ui/controls";
import { fixed, number } from "../../ui/numbers";
import type { Hand } from "./decoding";

const FEW = 12; // sliders shown at first
const STEPS = 400;

export function Sliders({ info, hand, base, pinned }: { info: ModelInfo; hand: Hand; base: ArrayLike<number>; pinned: boolean }) {
  const list = useRef<HTMLDivElement>(null);
  const [all, setAll] = useState(false);
  const dims = all ? info.dims_by_usage : info.dims_by_usage.slice(0, FEW);
  const most = Math.max(...info.dims.map(({ usage }) => usage), 1e-12);

  useEffect(() => {
    const inputs = [...(list.current?.querySelectorAll("input") ?? [])], outputs = [...(list.current?.querySelectorAll("output") ?? [])];
    const shown = new Float32Array(inputs.length).fill(NaN);
    let frame = 0;
    const write = () => {
      frame = 0;
      inputs.forEach((input, i) => {
        const value = hand.z[dims[i]!]!, text = fixed(value);
        if (value === shown[i]) return;
        shown[i] = value;
        // The slider that is being moved has this value already, up to its own steps.
        if (input !== document.activeElement || Math.abs(Number(input.value) - value) > 1e-3) input.value = String(value);
        outputs[i]!.textContent = text;
        input.setAttribute("aria-valuetext", text);
      });
    };
    // Every other frame: it takes as long as the picture, and is looked at less.
    const later = () => { frame ||= requestAnimationFrame(() => { frame = requestAnimationFrame(write); }); };
    write();
    hand.onCode.add(later);
    return () => {
      cancelAnimationFrame(frame);
      hand.onCode.delete(later);
    };
  }, [hand, all, info]);

  const set = (dim: number, value: number, stamp: number) => {
    const z = hand.z.slice();
    z[dim] = value;
    hand.move(z, stamp);
  };
  return (
    <div class="stack">
      <div class="spread">
        <p class="hint">Most used first ({info.usage_unit}). A double click, or Delete, resets one.</p>
        <Button onClick={() => hand.move(base)}>{pinned ? "Reset to the pinned sample" : "Reset to the centre"}</Button>
      </div>
      <div ref={list} class="codes-sliders">
        {dims.map((dim) => {
          const { name, low, high, usage } = info.dims[dim]!;
          return (
            <div class="codes-slider" key={dim}>
              <label for={`codes-z${dim}`}>{name}</label>
              <input
                id={`codes-z${dim}`} type="range" min={low} max={high} step={(high - low) / STEPS || "any"}
                onInput={(event) => set(dim, Number(event.currentTarget.value), event.timeStamp)}
                onKeyDown={(event) => { if (event.key === "Delete" || event.key === "Backspace") set(dim, base[dim]!, event.timeStamp); }}
                onDblClick={(event) => set(dim, base[dim]!, event.timeStamp)}
              />
              <output for={`codes-z${dim}`} />
              <span class="usage" title={`${number(usage)} ${info.usage_unit}`} aria-hidden="true"><i style={{ width: `${Math.max(0, Math.min(1, usage / most)) * 100}%` }} /></span>
            </div>
          );
        })}
      </div>
      {info.dims.length > FEW && (
        <Button kind="quiet" onClick={() => setAll(!all)}>{all ? `Show the ${FEW} most used` : `Show all ${info.dims.length} dimensions`}</Button>
      )}
    </div>
  );
}
