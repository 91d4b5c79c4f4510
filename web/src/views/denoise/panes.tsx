// Four pictures and their errors, in places that do not move.
import type { ModelInfo } from "../../api/types";
import { rangeOf } from "../../draw/lines";
import { Sample } from "../../draw/sample";
import type { Denoised } from "../../model/explorer";
import { against, number } from "../../ui/numbers";

type Part = "input" | "reconstruction" | "noisy" | "denoised";

const PARTS: { part: Part; title: string }[] = [
  { part: "input", title: "Input" },
  { part: "reconstruction", title: "Its reconstruction" },
  { part: "noisy", title: "Noisy" },
  { part: "denoised", title: "Cleaned" },
];

export function Panes({ info, answer, empty }: { info: ModelInfo; answer: Denoised | null; empty: string | undefined }) {
  const range = info.kind === "sequence" && answer !== null ? around(rangeOf([answer.input])) : undefined;
  return (
    <div class={`panes ${info.kind}`}>
      {PARTS.map(({ part, title }) => (
        <figure key={part}>
          <figcaption><strong>{title}</strong></figcaption>
          {answer === null && part === "input"
            ? <p class="pane-empty">{empty}</p>
            : <Sample
                info={info} samples={answer?.[part] ?? null} size="large" label={title}
                behind={part === "input" ? null : answer?.input ?? null} {...(range === undefined ? {} : { range })}
              />}
          <p class="pane-number small">{told(part, answer)}</p>
        </figure>
      ))}
      <p class="hint panes-note">
        Squared errors against the input, summed over its values on the model's scale.
        {info.kind !== "image" && answer !== null && (info.kind === "sequence" ? " The input is dashed." : " The input is the second mark.")}
      </p>
    </div>
  );
}

/** The input's range, and as much again above and below for the noise. */
function around([low, high]: [number, number]): [number, number] {
  const more = (high - low) / 3;
  return [low - more, high + more];
}

function told(part: Part, answer: Denoised | null) {
  const value = part === "input" ? undefined : answer?.numbers[part];
  if (value === undefined) return part === "input" ? "" : "error –";
  const noisy = answer?.numbers["noisy"] ?? null;
  return (
    <>
      error <b>{number(value)}</b>
      {part === "denoised" && noisy !== null && noisy > 0 && <span class="faint"> {against(value, noisy)} of noisy</span>}
    </>
  );
}
