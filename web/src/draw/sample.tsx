// One sample as it is: an image as pixels, a sequence as lines, a table's row as bars. All views draw samples here.
import { useEffect, useRef } from "preact/hooks";
import type { ModelInfo } from "../api/types";
import type { Samples } from "../model/explorer";
import { drawLines } from "./lines";
import { RowBars } from "./bars";

/** The i-th of several samples. */
export function sampleAt(samples: Samples, i: number): Samples {
  const size = samples.shape.slice(1).reduce((a, b) => a * b, 1);
  return { shape: [1, ...samples.shape.slice(1)], data: samples.data.subarray(i * size, (i + 1) * size) };
}

export function count(samples: Samples): number {
  return samples.shape[0] ?? 0;
}

/** U8 grey (h,w) or colour (h,w,3) as what a canvas takes. */
export function imageData(data: Uint8Array, height: number, width: number, channels: number): ImageData {
  const out = new ImageData(width, height);
  const pixels = out.data;
  for (let i = 0, j = 0; i < height * width; i++, j += 4) {
    const at = i * channels;
    pixels[j] = data[at] ?? 0;
    pixels[j + 1] = data[channels === 3 ? at + 1 : at] ?? 0;
    pixels[j + 2] = data[channels === 3 ? at + 2 : at] ?? 0;
    pixels[j + 3] = 255;
  }
  return out;
}

interface Props {
  info: Pick<ModelInfo, "kind" | "columns" | "distribution">;
  /** One sample, or the i-th of several. */
  samples: Samples | null;
  index?: number;
  /** What is seen, for those who do not see it. */
  label: string;
  /** What it is held against, drawn faintly behind lines and bars. */
  behind?: Samples | null;
  size?: "small" | "medium" | "large";
}

export function Sample({ info, samples, index = 0, label, behind = null, size = "medium" }: Props) {
  const one = samples === null ? null : sampleAt(samples, index);
  if (info.kind === "table") {
    return <RowBars info={info} row={one} behind={behind} label={label} size={size} />;
  }
  return <SampleCanvas kind={info.kind} one={one} behind={behind} label={label} size={size} />;
}

function SampleCanvas(
  { kind, one, behind, label, size }: {
    kind: "image" | "sequence"; one: Samples | null; behind: Samples | null; label: string; size: string;
  },
) {
  const ref = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const canvas = ref.current;
    if (canvas === null || one === null) return;
    if (kind === "image" && one.data instanceof Uint8Array) drawImage(canvas, one);
    else if (one.data instanceof Float32Array) drawLines(canvas, one, behind);
  });
  return <canvas ref={ref} class={`sample ${kind} ${size} ${one === null ? "waiting" : ""}`} role="img" aria-label={label} />;
}

/** Draw an image on a canvas of its own size, which the style sheet enlarges without smoothing. */
export function drawImage(canvas: HTMLCanvasElement, one: Samples): void {
  const [, height = 1, width = 1, channels = 1] = one.shape;
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  canvas.getContext("2d")?.putImageData(imageData(one.data as Uint8Array, height, width, channels), 0, 0);
}
