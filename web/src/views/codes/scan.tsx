// A scan of two dimensions: the others stay as they are at hand, and every cell of a grid is decoded, all in one call.
import { useEffect, useRef, useState } from "preact/hooks";
import type { ModelInfo } from "../../api/types";
import { isSuperseded, type Explorer } from "../../model/explorer";
import { Select, Slider } from "../../ui/controls";
import { fixed } from "../../ui/numbers";
import { complain } from "../../ui/toasts";
import type { Hand } from "./decoding";
import { drawGrid } from "./tile";

const LEAST = 3, MOST = 20;
const UNIT = 130;
const PAUSE = 40; // ms

/** The codes of a grid, row by row from the greatest y: (n * n, k). */
export function gridCodes(
  base: ArrayLike<number>, x: number, y: number, rangeX: [number, number], rangeY: [number, number], n: number,
): Float32Array {
  const k = base.length, out = new Float32Array(n * n * k);
  const at = ([low, high]: [number, number], i: number) => low + ((high - low) * i) / (n - 1);
  for (let row = 0; row < n; row++) {
    for (let column = 0; column < n; column++) {
      const from = (row * n + column) * k;
      for (let i = 0; i < k; i++) out[from + i] = base[i]!;
      out[from + y] = at(rangeY, n - 1 - row);
      out[from + x] = at(rangeX, column);
    }
  }
  return out;
}

export function Scan({ info, explorer, hand, first, second }: { info: ModelInfo; explorer: Explorer; hand: Hand; first: number; second: number }) {
  const canvas = useRef<HTMLCanvasElement>(null), marker = useRef<HTMLSpanElement>(null);
  const [x, setX] = useState(first), [y, setY] = useState(second);
  const [n, setN] = useState(info.kind === "image" ? 11 : 7);
  useEffect(() => setX(first), [first]);
  useEffect(() => setY(second), [second]);
  const range = (dim: number): [number, number] => [info.dims[dim]!.low, info.dims[dim]!.high];

  useEffect(() => {
    let current = true, timer = 0, drawn: Float32Array | null = null, label: number | null = null;
    const fresh = () => {
      timer = 0;
      if (drawn !== null && label === hand.y && hand.z.every((v, i) => i === x || i === y || v === drawn![i])) return;
      drawn = hand.z.slice();
      label = hand.y;
      const asked = drawn;
      explorer.decode(gridCodes(drawn, x, y, range(x), range(y), n), { lane: "scan", ...(hand.y === null ? {} : { y: hand.y }) }).then(
        (samples) => { if (current && drawn === asked && canvas.current !== null) drawGrid(canvas.current, info, samples, n, UNIT); },
        (error) => { if (current && !isSuperseded(error)) complain(error); },
      );
    };
    const follow = () => {
      mark();
      timer ||= window.setTimeout(fresh, PAUSE);
    };
    const mark = () => {
      const style = marker.current?.style;
      if (style === undefined) return;
      const share = (dim: number) => ((hand.z[dim]! - range(dim)[0]) / (range(dim)[1] - range(dim)[0])) * (n - 1);
      const column = Math.round(share(x)), row = n - 1 - Math.round(share(y));
      const outside = column < 0 || row < 0 || column >= n || row >= n;
      style.visibility = outside ? "hidden" : "visible";
      style.width = style.height = `${100 / n}%`;
      style.left = `${(100 * column) / n}%`;
      style.top = `${(100 * row) / n}%`;
    };
    fresh();
    mark();
    hand.onCode.add(follow);
    return () => {
      current = false;
      clearTimeout(timer);
      hand.onCode.delete(follow);
    };
  }, [explorer, info, hand, x, y, n]);

  const choose = (event: MouseEvent) => {
    const box = canvas.current!.getBoundingClientRect();
    const column = Math.floor(((event.clientX - box.left) / box.width) * n), row = Math.floor(((event.clientY - box.top) / box.height) * n);
    const z = hand.z.slice(), at = ([low, high]: [number, number], i: number) => low + ((high - low) * i) / (n - 1);
    z[y] = at(range(y), n - 1 - row);
    z[x] = at(range(x), column);
    hand.move(z, event.timeStamp);
  };
  const options = info.dims_by_usage.map((dim) => ({ value: String(dim), label: info.dims[dim]!.name }));
  const name = (dim: number) => info.dims[dim]!.name, ends = (dim: number) => range(dim).map((v) => fixed(v, 1)).join(" to ");
  return (
    <div class="stack">
      <div class="codes-two">
        <Select label="Across" value={String(x)} options={options} onChange={(value) => setX(Number(value))} />
        <Select label="Up" value={String(y)} options={options} onChange={(value) => setY(Number(value))} />
      </div>
      <Slider label="Cells along each side" value={n} low={LEAST} high={MOST} step={1} format={String} onInput={setN} />
      <div class="codes-grid">
        <canvas ref={canvas} class={info.kind === "image" ? "sample image" : "sample"} role="img" aria-label={`Decoded codes in a grid: ${name(x)} across, ${name(y)} up`} onClick={choose} />
        <span ref={marker} class="marker" aria-hidden="true" />
      </div>
      <p class="hint">{name(x)} from {ends(x)} across, {name(y)} from {ends(y)} upwards. A click takes a cell's code; the sliders set the other dimensions.</p>
    </div>
  );
}
