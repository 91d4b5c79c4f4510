// Which colour each point has, by what was chosen, found and selected.
import { useEffect, useMemo, useState } from "preact/hooks";
import type { Codes, Values } from "../../model/explorer";
import { colour } from "../../state/theme";
import { categories as categoriesOf, classColours, paint, parse, rangeOf, scaleOf, type Category, type Painting, type Rgb } from "./colours";
import { colouringsOf, type Colouring } from "./controls";
import type { Plane } from "./plane";
import { search } from "./selection";

interface Colours {
  painting: Painting;
  categories: Category[] | null;
  classes: Rgb[];
  colouring: Colouring;
  unit: string;
  /** The points that were looked for; null where nothing is. */
  found: Int32Array | null;
}

export function useColours(
  plane: Plane | null, codes: Codes | null, values: Values | null, asked: string, only: string, query: string, members: Int32Array | null,
): Colours {
  const appearance = useAppearance();
  const there = colouringsOf(values);
  const colouring = there.find(({ value }) => value === asked)?.value ?? there[0]!.value;
  const categories = useMemo(() => (values === null ? null : categoriesOf(values)), [values]);
  const classes = useMemo(() => classColours(categories?.length ?? 0, (name) => parse(colour(name))), [categories, appearance]);
  const painting = useMemo<Painting>(() => paintingOf(values, colouring, categories, classes), [values, colouring, categories, classes, appearance]);
  const found = useMemo(() => {
    if (values === null || query.trim() === "") return null;
    const names = new Map(categories?.map(({ value, name }) => [value, name]));
    return search(
      query, values.rows.length, (i) => (values.labels === null ? null : names.get(values.labels[i]!) ?? null),
      (i) => values.ids?.[i] ?? String(values.rows[i]),
    );
  }, [values, categories, query]);
  useEffect(() => {
    if (plane === null || codes === null) return;
    const n = codes.rows.length;
    const colours = new Uint8Array(4 * n);
    const usable = values !== null && values.rows.length === n ? painting : { kind: "plain" as const, rgb: parse(colour("second")) };
    paint(usable, colours, meant(n, values, only, members ?? found));
    plane.setColours(colours);
  }, [plane, codes, values, painting, only, found, members]);
  return { painting, categories, classes, colouring, unit: unitOf(values, colouring), found };
}

function unitOf(values: Values | null, colouring: Colouring): string {
  return colouring === "error" ? values?.errorUnit ?? "" : colouring === "score" ? values?.scoreUnit ?? "" : "";
}

function paintingOf(values: Values | null, colouring: Colouring, categories: Category[] | null, classes: Rgb[]): Painting {
  if (values !== null && colouring === "label" && categories !== null && values.labels instanceof Int32Array) {
    return { kind: "classes", labels: values.labels, of: new Map(categories.map(({ value }, i) => [value, classes[i]!])) };
  }
  const numbers = values === null ? null : colouring === "label" ? values.labels : colouring === "error" ? values.error : colouring === "score" ? values.score : null;
  if (!(numbers instanceof Float32Array)) return { kind: "plain", rgb: parse(colour("second")) };
  const dark = luminance(parse(colour("surface"))) < 128;
  return { kind: "scale", values: numbers, range: rangeOf(numbers), scale: scaleOf(parse(colour("second")), parse(colour("accent")), dark) };
}

function luminance([r, g, b]: Rgb): number {
  return 0.3 * r + 0.6 * g + 0.1 * b;
}

/** Whether a point is meant: of the class that is shown alone, and selected or found where some are. */
function meant(n: number, values: Values | null, only: string, chosen: Int32Array | null): ((point: number) => boolean) | null {
  const labels = only === "" ? null : values?.labels ?? null, label = Number(only);
  if (labels === null && chosen === null) return null;
  const marked = new Uint8Array(n).fill(chosen === null ? 1 : 0);
  for (const point of chosen ?? []) marked[point] = 1;
  return (point) => marked[point] === 1 && (labels === null || labels[point] === label);
}

/** Counts up when light turns into dark or back. */
function useAppearance(): number {
  const [count, setCount] = useState(0);
  useEffect(() => {
    const changed = () => setCount((n) => n + 1);
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    window.addEventListener("narrows-theme", changed);
    dark.addEventListener("change", changed);
    return () => {
      window.removeEventListener("narrows-theme", changed);
      dark.removeEventListener("change", changed);
    };
  }, []);
  return count;
}
