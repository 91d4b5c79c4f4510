// Some samples in a row, with a word what they are at the left; labels stand below the samples that have them.
import { count, Sample, sampleAt } from "../../draw/sample";
import type { ModelInfo } from "../../api/types";
import type { Samples } from "../../model/explorer";

interface Props {
  title: string;
  /** What one of them is, for those who do not see it. */
  what: string;
  info: Pick<ModelInfo, "kind" | "columns" | "distribution">;
  samples: Samples | null;
  most: number;
  behind?: Samples | null;
  labels?: readonly (string | null)[] | null;
  /** Whether the labels are written, and not only said. */
  written?: boolean;
}

export function Strip({ title, what, info, samples, most, behind = null, labels = null, written = false }: Props) {
  const n = samples === null ? most : Math.min(most, count(samples));
  const shown = written && labels !== null && labels.some((label) => label !== null);
  return (
    <div class="sample-strip" role="group" aria-label={title}>
      <p class="hint" title={title}>{title}</p>
      <div class={`sample-cells ${info.kind}`}>
        {Array.from({ length: n }, (_, i) => (
          <figure key={i}>
            <Sample
              info={info} samples={samples} index={i} size={info.kind === "table" ? "medium" : "small"} label={`${what} ${i + 1}${labels?.[i] ? `, ${labels[i]}` : ""}`}
              behind={behind === null ? null : sampleAt(behind, i)}
            />
            {shown && <figcaption class="clip" title={labels?.[i] ?? ""}>{labels?.[i] ?? "\u00a0"}</figcaption>}
          </figure>
        ))}
      </div>
    </div>
  );
}
