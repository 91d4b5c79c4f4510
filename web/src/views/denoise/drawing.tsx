// A field to draw in, white ink on black, by mouse, pen or finger. By keyboard one chooses a sample instead.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Samples } from "../../model/explorer";
import { Button, Slider } from "../../ui/controls";
import { drawStrokes, type Stroke } from "./strokes";

const SIDE = 280; // pixels of the longer side
const LATER = 60; // ms between two looks at an unfinished stroke

export function Drawing({ shape, onDraw }: { shape: number[]; onDraw: (picture: Samples | null) => void }) {
  const [h = 1, w = 1] = shape.slice(-2);
  const longest = Math.max(h, w), width = Math.round((SIDE * w) / longest), height = Math.round((SIDE * h) / longest);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [strokes, setStrokes] = useState<Stroke[]>([]);
  const drawing = useRef<Stroke | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const [pen, setPen] = useState(Math.round(SIDE / 12));
  const [erasing, setErasing] = useState(false);

  const paint = (all: Stroke[]) => {
    const context = canvas.current?.getContext("2d", { willReadFrequently: true });
    if (context) drawStrokes(context, all, width, height);
  };
  const look = (all: Stroke[]) => {
    clearTimeout(timer.current);
    timer.current = undefined;
    const context = canvas.current?.getContext("2d", { willReadFrequently: true });
    if (!context) return;
    const pixels = context.getImageData(0, 0, width, height).data;
    const data = Uint8Array.from({ length: width * height }, (_, i) => pixels[4 * i]!);
    onDraw(all.length > 0 && data.some((value) => value > 0) ? { shape: [height, width], data } : null);
  };
  useLayoutEffect(() => paint(strokes), [strokes]);
  useEffect(() => () => clearTimeout(timer.current), []);

  const change = (next: Stroke[]) => {
    setStrokes(next);
    paint(next);
    look(next);
  };
  const place = (event: PointerEvent): [number, number] => {
    const box = canvas.current!.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
  };
  const begin = (event: PointerEvent) => {
    if (event.button !== 0) return;
    canvas.current!.setPointerCapture(event.pointerId);
    drawing.current = { width: pen, erase: erasing, points: [place(event)] };
    paint([...strokes, drawing.current]);
  };
  const move = (event: PointerEvent) => {
    if (drawing.current === null) return;
    for (const each of event.getCoalescedEvents?.() ?? [event]) drawing.current.points.push(place(each));
    const all = [...strokes, drawing.current];
    paint(all);
    timer.current ??= setTimeout(() => look(all), LATER);
  };
  const end = () => {
    if (drawing.current === null) return;
    const all = [...strokes, drawing.current];
    drawing.current = null;
    change(all);
  };

  return (
    <div class="drawing">
      <canvas
        ref={canvas} width={width} height={height} role="img"
        aria-label={`A field to draw in, ${strokes.length} strokes. With the keyboard, choose a sample instead.`}
        onPointerDown={begin} onPointerMove={move} onPointerUp={end} onPointerCancel={end}
      />
      <Slider label="Pen" value={pen} low={4} high={60} step={1} format={(value) => `${value} px`} onInput={setPen} />
      <div class="row drawing-tools">
        <Button pressed={erasing} onClick={() => setErasing(!erasing)}>Eraser</Button>
        <Button disabled={strokes.length === 0} onClick={() => change(strokes.slice(0, -1))}>Undo</Button>
        <Button disabled={strokes.length === 0} onClick={() => change([])}>Clear</Button>
      </div>
      <p class="hint">Centred and scaled as the samples are.</p>
    </div>
  );
}
