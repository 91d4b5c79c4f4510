// One sample as it is: an image as pixels, a sequence as lines, a table's row as bars. All views draw samples here.
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { ModelInfo } from "../api/types";
import type { Samples } from "../model/explorer";
import { described, RowBars } from "./bars";
import { COLOURS, drawLines, type Range } from "./lines";
import { useAppearance } from "./theme";
import "./draw.css";

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
  /** What is seen, for those who do not see it; empty where text beside it says so. */
  label: string;
  /** What it is held against, drawn faintly behind lines, and as a second mark in bars. */
  behind?: Samples | null;
  size?: "small" | "medium" | "large";
  /** The values at the bottom and the top of lines, where several sequences are compared. */
  range?: Range;
}

export function Sample({ info, samples, index = 0, label, behind = null, size = "medium", range }: Props) {
  const one = samples === null ? null : sampleAt(samples, index);
  if (info.kind === "table") return <RowBars info={info} row={one} behind={behind} label={label} size={size} />;
  if (info.kind === "image") return <ImageCanvas one={one} label={label} size={size} />;
  return <LinesCanvas one={one} behind={behind} label={label} size={size} {...(range === undefined ? {} : { range })} />;
}

/** Drawn before the browser paints: pictures follow a slider without a frame between. */
function ImageCanvas({ one, label, size }: { one: Samples | null; label: string; size: string }) {
  const ref = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    if (ref.current !== null && one?.data instanceof Uint8Array) drawImage(ref.current, one);
  });
  return <canvas ref={ref} class={`sample image ${size} ${one === null ? "waiting" : ""}`} {...described(label)} />;
}

function LinesCanvas(
  { one, behind, label, size, range }: { one: Samples | null; behind: Samples | null; label: string; size: string; range?: Range },
) {
  const ref = useRef<HTMLCanvasElement>(null);
  const draw = useRef<() => void>(() => undefined);
  useAppearance();
  draw.current = () => {
    if (ref.current !== null && one?.data instanceof Float32Array) drawLines(ref.current, one, behind, range);
  };
  useLayoutEffect(() => draw.current());
  useEffect(() => {
    const canvas = ref.current;
    if (canvas === null) return;
    const observer = new ResizeObserver(() => draw.current());
    observer.observe(canvas);
    return () => observer.disconnect();
  }, []);
  const channels = one?.shape[2] ?? 1;
  const canvas = <canvas ref={ref} class={`sample sequence ${size} ${one === null ? "waiting" : ""}`} {...described(label)} />;
  return size === "large" && channels > 1 ? <div class="with-legend">{canvas}<Channels n={channels} /></div> : canvas;
}

function Channels({ n }: { n: number }) {
  return (
    <ul class="channels" aria-label="Channels">
      {Array.from({ length: n }, (_, i) => (
        <li key={i}>{i === 0 && "channel "}<span class={`channel-swatch class-${i % COLOURS}`} aria-hidden="true" />{i + 1}</li>
      ))}
    </ul>
  );
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
