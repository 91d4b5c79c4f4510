// One new sample, large, and the training sample that is nearest to it.
import { Sample, sampleAt } from "../../draw/sample";
import type { ModelInfo } from "../../api/types";
import type { Explorer, Samples } from "../../model/explorer";
import { number } from "../../ui/numbers";
import { useLive } from "../shared/live";

export function Chosen({ info, nearest, answer, at }: {
  info: ModelInfo; nearest: Explorer["nearest"]; answer: { key: string | null; x: Samples; z: Float32Array } | null; at: number | null;
}) {
  const k = info.latent_dim;
  const key = nearest === undefined || answer === null || at === null ? null : `${answer.key}/${at}`;
  const found = useLive(key, async () => ({ key, ...(await nearest!(info.kind === "table" ? { x: sampleAt(answer!.x, at!) } : { z: answer!.z.slice(at! * k, (at! + 1) * k) })) }));
  if (at === null || answer === null) {
    return (
      <p class="hint chosen-pair">
        {nearest === undefined ? "Choose a sample to see it large." : "Choose a sample to see it large, beside the training sample that is nearest to it."}
      </p>
    );
  }
  const near = found.answer?.key === key ? found.answer : null;
  const mark = info.kind === "table" ? "the second mark" : "dashed"; // in one picture with the new one
  return (
    <div class={`chosen-pair ${info.kind}`}>
      <figure>
        <figcaption><strong>New sample {at + 1}</strong></figcaption>
        <Sample info={info} samples={sampleAt(answer.x, at)} size="large" label={`New sample ${at + 1}`} behind={near?.x ?? null} />
      </figure>
      {nearest === undefined
        ? <p class="hint">{info.absent["nearest"] ?? <>The training samples are not in this file; <code>narrows open</code> shows the nearest.</>}</p>
        : <figure>
            <figcaption>
              <strong>Nearest in training</strong>{near !== null && `, sample ${near.rows[0]}`}{info.kind !== "image" && `: ${mark}`}
            </figcaption>
            {info.kind === "image" && <Sample info={info} samples={near?.x ?? null} size="large" label="The nearest training sample" />}
            <p class="hint" role="status">{near === null ? " " : `Distance ${number(near.distance[0])}, Euclidean, on the model's scale.`}</p>
          </figure>}
      {found.error !== null && <p class="hint wrong">{found.error}</p>}
    </div>
  );
}
