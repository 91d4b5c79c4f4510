// The plane as a part of the page: pointer and keys on it, the picture beside the pointer, and the buttons in its corner.
import { useEffect, useRef, useState } from "preact/hooks";
import type { ModelInfo } from "../../api/types";
import type { Samples } from "../../model/explorer";
import { Button } from "../../ui/controls";
import type { Cell } from "./cell";
import { Gestures, type Tool } from "./gestures";
import { Lens } from "./lens";
import type { Picking } from "./picking";
import { Plane } from "./plane";

const REACH = 14; // pixels within which a point is pointed at
const STEP = 1.5; // of the zoom by key or button
const ARROWS: Record<string, [number, number]> = {
  ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1],
};
const HELP = "Arrow keys go from point to point, Enter pins the point, A and B mark it as an end of the path, plus and minus zoom, 0 shows all, " +
  "S selects what is in sight, Escape clears. Dragging with the mouse decodes the place under the pointer.";

export interface Wishes {
  tool: Tool;
  picking: Picking | null;
  pointed: Cell<number>;
  point(at: number, how: "pointer" | "keys"): void;
  pin(at: number): void;
  mark(end: "a" | "b", at: number): void;
  decode(x: number, y: number, stamp: number): void;
  select(polygon: number[]): void;
  clear(): void;
}

export function Scatter(
  { info, name, force, wishes, onPlane, lens, spoken }: {
    info: ModelInfo; name: string; force: string; wishes: Wishes; onPlane: (plane: Plane | null) => void;
    /** Hears of decoded pictures. */
    lens: Set<(x: Samples) => void>; spoken: string;
  },
) {
  const host = useRef<HTMLDivElement>(null), canvases = useRef<HTMLDivElement>(null), glass = useRef<HTMLDivElement>(null);
  const now = useRef(wishes);
  now.current = wishes;
  const [plane, setPlane] = useState<Plane | null>(null);

  useEffect(() => {
    if (host.current === null || canvases.current === null || glass.current === null) return;
    const made = new Plane(canvases.current, force);
    const beside = new Lens(glass.current, info, lens);
    const gestures = new Gestures(host.current, meanings(made, now, beside));
    setPlane(made);
    onPlane(made);
    return () => {
      gestures.dispose();
      beside.dispose();
      made.dispose();
      setPlane(null);
      onPlane(null);
    };
  }, [force, info]);

  return (
    <div class="codes-plane">
      <div
        ref={host} class="codes-host" tabIndex={0} role="application" aria-label={name} aria-describedby="codes-keys" data-tool={wishes.tool}
        data-renderer={plane?.rendererName}
        onKeyDown={(event) => { if (plane !== null && key(event, plane, now.current)) event.preventDefault(); }}
      >
        <div ref={canvases} class="codes-canvases" />
        <div ref={glass} class="codes-lens" aria-hidden="true" hidden />
      </div>
      <p id="codes-keys" class="visually-hidden">{HELP}</p>
      <p class="visually-hidden" aria-live="polite">{spoken}</p>
      <div class="codes-zoom" role="group" aria-label="Zoom">
        <Button kind="quiet" label="Zoom in (+)" onClick={() => plane?.zoomAt(plane.view.width / 2, plane.view.height / 2, STEP)}>+</Button>
        <Button kind="quiet" label="Zoom out (−)" onClick={() => plane?.zoomAt(plane.view.width / 2, plane.view.height / 2, 1 / STEP)}>−</Button>
        <Button kind="quiet" label="Show all codes (0)" onClick={() => plane?.fit()}>
          <svg viewBox="0 0 16 16" aria-hidden="true"><path d="M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4" /></svg>
        </Button>
      </div>
    </div>
  );
}

function meanings(plane: Plane, now: { current: Wishes }, lens: Lens): ConstructorParameters<typeof Gestures>[1] {
  const { view } = plane;
  const pick = (x: number, y: number) => {
    const tile = plane.tileAt(x, y);
    if (tile >= 0) return tile;
    return now.current.picking?.nearest(view.toX(x), view.toY(y), REACH / view.zoom) ?? -1;
  };
  return {
    tool: () => now.current.tool,
    pan: (dx, dy) => plane.pan(dx, dy),
    zoom: (x, y, factor) => plane.zoomAt(x, y, factor),
    decode(x, y, stamp, phase) {
      if (phase === "end") return lens.hide();
      lens.place(x, y, view.width, view.height);
      now.current.decode(view.toX(x), view.toY(y), stamp);
    },
    select(points, done) {
      plane.marks.lasso = done ? [] : points;
      plane.redrawMarks();
      if (done && points.length >= 6) now.current.select(points.map((v, i) => (i % 2 === 0 ? view.toX(v) : view.toY(v))));
    },
    hover: (x, y) => now.current.point(pick(x, y), "pointer"),
    leave: () => now.current.point(-1, "pointer"),
    click: (x, y) => now.current.pin(pick(x, y)),
  };
}

/** What a key does; true where it does something. */
function key(event: KeyboardEvent, plane: Plane, does: Wishes): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  const { view } = plane, centre = [view.width / 2, view.height / 2] as const;
  const arrow = ARROWS[event.key];
  if (arrow !== undefined) {
    if (event.shiftKey) plane.pan(-60 * arrow[0], 60 * arrow[1]);
    else step(arrow, plane, does);
    return true;
  }
  switch (event.key) {
    case "+": case "=": plane.zoomAt(...centre, STEP); return true;
    case "-": plane.zoomAt(...centre, 1 / STEP); return true;
    case "0": plane.fit(); return true;
    case "Enter": if (does.pointed.value >= 0) does.pin(does.pointed.value); return true;
    case "a": case "b": if (does.pointed.value >= 0) does.mark(event.key, does.pointed.value); return true;
    case "s": does.select(corners(plane)); return true;
    case "Escape": does.clear(); return true;
    default: return false;
  }
}

function step([dx, dy]: [number, number], plane: Plane, does: Wishes): void {
  const { picking, pointed: { value: from } } = does;
  const next = from >= 0 ? picking?.next(from, dx, dy) : picking?.nearest(plane.view.cx, plane.view.cy);
  if (next === undefined || next < 0) return;
  does.point(next, "keys");
  plane.reveal(next);
}

function corners({ view }: Plane): number[] {
  const left = view.toX(0), right = view.toX(view.width), top = view.toY(0), bottom = view.toY(view.height);
  return [left, top, right, top, right, bottom, left, bottom];
}
