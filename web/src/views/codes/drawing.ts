// Brings what the view shows onto the plane.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Codes, Explorer, Values } from "../../model/explorer";
import { current, setParams, useParam } from "../../state/route";
import { complain } from "../../ui/toasts";
import { Atlas, Pictures } from "./atlas";
import type { Cell } from "./cell";
import { project, type Hand } from "./decoding";
import { Picking } from "./picking";
import type { Plane } from "./plane";

const LIMIT = 70_000; // codes that are shown at most
const REST = 300; // ms after which the part that is seen goes into the address

export function usePoints(plane: Plane | null, codes: Codes | null, free: boolean, axes: boolean): void {
  const [seen] = useParam("window", ""), written = useRef("");
  useEffect(() => {
    if (plane === null || codes === null) return;
    let timer = 0;
    plane.setPoints(codes.points, free, axes, written.current = current().params.get("window") ?? "");
    plane.moved = () => {
      clearTimeout(timer);
      timer = window.setTimeout(() => setParams({ window: (written.current = plane.view.write()) || null }), REST);
    };
    return () => clearTimeout(timer);
  }, [plane, codes, free, axes]);
  useEffect(() => {
    if (plane === null || seen === written.current) return; // not the view itself wrote it: a link, or the browser's history
    written.current = seen;
    plane.look(seen);
  }, [plane, seen]);
}

/** Where rows (ascending) stand among all rows (ascending); null where they are all. */
export function positionsOf(rows: Int32Array, all: Int32Array): Int32Array | null {
  if (rows.length === all.length) return null;
  const at = new Map(Array.from(all, (row, i) => [row, i]));
  return Int32Array.from(rows, (row) => at.get(row) ?? all.length);
}

/** The rows in whose order thumbnails come: all of a split, or those that the values name where these are fewer. */
export function useRows(total: number, values: Values | null): Int32Array | null {
  const all = useMemo(() => (total <= LIMIT ? Int32Array.from({ length: total }, (_, i) => i) : null), [total]);
  return all ?? values?.rows ?? null;
}

/** Thumbnails of images, loaded after the points are on the screen. `all`: the rows in whose order they come. */
export function usePictures(plane: Plane | null, explorer: Explorer, split: string, codes: Codes | null, all: Int32Array | null): void {
  const pictures = useMemo(
    () => (all === null || explorer.thumbnails === undefined ? null : new Pictures(explorer, split, all.length)), [explorer, split, all],
  );
  useEffect(() => () => pictures?.close(), [pictures]);
  useEffect(() => {
    if (plane === null || codes === null || pictures === null) return;
    plane.setAtlas(new Atlas(codes.points, pictures, positionsOf(codes.rows, all!)));
    const arrived = () => plane.redraw();
    pictures.arrived.add(arrived);
    const timer = setTimeout(() => pictures.load().catch(complain), 100);
    return () => {
      clearTimeout(timer);
      pictures.arrived.delete(arrived);
    };
  }, [plane, codes, pictures]);
}

/** The index of the points, built when the browser has nothing else to do. */
export function usePicking(plane: Plane | null, codes: Codes | null): Picking | null {
  const [picking, setPicking] = useState<Picking | null>(null);
  useEffect(() => {
    setPicking(null);
    if (plane === null || codes === null) return;
    return whenIdle(() => setPicking(new Picking(codes.points, plane.view.fitX, plane.view.fitY, plane.meant)));
  }, [plane, codes]);
  return picking;
}

function whenIdle(run: () => void): () => void {
  if (typeof requestIdleCallback === "undefined") {
    const timer = setTimeout(run, 50);
    return () => clearTimeout(timer);
  }
  const handle = requestIdleCallback(run, { timeout: 500 });
  return () => cancelIdleCallback(handle);
}

export function useMarks(
  plane: Plane | null, codes: Codes | null, hand: Hand, pointed: Cell<number>, pinned: number, a: number, b: number, path: Float32Array | null,
): void {
  useEffect(() => {
    if (plane === null || codes === null) return;
    const k = hand.z.length, way: number[] = [];
    for (let i = 0; path !== null && i < path.length; i += k) way.push(...(project(codes.inverse, path.subarray(i, i + k)) ?? []));
    Object.assign(plane.marks, { pinned, a, b, path: way });
    plane.redrawMarks();
  }, [plane, codes, pinned, a, b, path]);
  useEffect(() => {
    if (plane === null || codes === null) return;
    const follow = () => plane.setHand(project(codes.inverse, hand.z) ?? hand.place);
    const point = () => plane.setPointed(pointed.value);
    follow();
    point();
    hand.onCode.add(follow);
    const stop = pointed.watch(point);
    return () => {
      hand.onCode.delete(follow);
      stop();
    };
  }, [plane, codes, hand, pointed]);
}
