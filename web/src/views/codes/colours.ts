// Colours of the points: labels as classes, numbers on a scale whose equal steps look equal.
import type { Values } from "../../model/explorer";

export type Rgb = [number, number, number];
type Lab = [number, number, number];

const CLASSES = 10; // --class-0 ... --class-9 of the style sheet
export const MOST_CLASSES = 20; // further ones share one colour
const OPAQUE = 215, FAINT = 22; // alpha of points, and of those that are not meant
export const STEPS = 256;

/** A colour of the style sheet (#rgb, #rrggbb) as numbers. */
export function parse(text: string): Rgb {
  const hex = text.replace("#", "");
  const full = hex.length === 3 ? [...hex].map((c) => c + c).join("") : hex;
  return [0, 2, 4].map((at) => parseInt(full.slice(at, at + 2), 16) || 0) as Rgb;
}

export function css([r, g, b]: Rgb): string {
  return `rgb(${r} ${g} ${b})`;
}

const linear = (v: number) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
const gamma = (v: number) => (v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055);

/** Oklab (Ottosson 2020): equal distances look equally different. */
export function toLab(rgb: Rgb): Lab {
  const [r, g, b] = rgb.map((v) => linear(v / 255)) as Rgb;
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

export function fromLab(lab: Lab): Rgb {
  return linearOf(lab).map((v) => Math.round(255 * gamma(Math.min(1, Math.max(0, v))))) as Rgb;
}

function linearOf([L, a, b]: Lab): Rgb {
  const l = (L + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (L - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (L - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
}

/** A colour of another lightness, as strong as a screen can show it. */
function atLightness(rgb: Rgb, L: number): Lab {
  let [, a, b] = toLab(rgb);
  while (linearOf([L, a, b]).some((v) => v < 0 || v > 1) && Math.hypot(a, b) > 0.01) [a, b] = [0.96 * a, 0.96 * b];
  return [L, a, b];
}

export function mix(a: Rgb, b: Rgb, share: number): Rgb {
  const p = toLab(a), q = toLab(b);
  return fromLab(p.map((v, i) => v + share * (q[i]! - v)) as Lab);
}

/** From the second colour to the accent, even in lightness: low values near the background, high ones far from it. */
export function scaleOf(second: Rgb, accent: Rgb, dark: boolean): Uint8Array {
  const [low, high] = dark ? [0.46, 0.84] : [0.8, 0.46];
  const p = atLightness(second, low), q = atLightness(accent, high);
  const out = new Uint8Array(3 * STEPS);
  for (let i = 0; i < STEPS; i++) out.set(fromLab(p.map((v, c) => v + (i / (STEPS - 1)) * (q[c]! - v)) as Lab), 3 * i);
  return out;
}

/** Colours of the classes: those of the style sheet, the same paler, and one for all others. */
export function classColours(n: number, token: (name: string) => Rgb): Rgb[] {
  const surface = token("surface"), ink = token("ink");
  return Array.from({ length: n }, (_, i) => {
    if (n > MOST_CLASSES && i >= MOST_CLASSES - 1) return token("faint");
    const own = token(`class-${i % CLASSES}`);
    return i < CLASSES ? own : i % 2 === 0 ? mix(own, surface, 0.45) : mix(own, ink, 0.4);
  });
}

export interface Category {
  value: number;
  name: string;
  count: number;
}

/** The classes of integer labels, in their order, or by frequency where there are more than have a colour each. */
export function categories(values: Values): Category[] | null {
  const { labels, labelNames } = values;
  if (!(labels instanceof Int32Array)) return null;
  const counts = new Map<number, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  const found = [...counts].map(([value, count]) => ({ value, count, name: nameOf(value, labelNames) }));
  return found.length > MOST_CLASSES
    ? found.sort((a, b) => b.count - a.count || a.value - b.value)
    : found.sort((a, b) => a.value - b.value);
}

export function nameOf(label: number, names: string[] | null): string {
  if (label < 0) return "no label";
  return names?.[label] ?? String(label);
}

/** The range that the scale spans: without the outermost hundredth at each end. */
export function rangeOf(values: Float32Array): [number, number] {
  const sorted = values.filter((v) => Number.isFinite(v)).sort();
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))] ?? 0;
  const low = at(0.01), high = at(0.99);
  return high > low ? [low, high] : [low - 0.5, low + 0.5];
}

/** How points are coloured: a colour per class, or a place on the scale. */
export type Painting =
  | { kind: "classes"; labels: Int32Array; of: Map<number, Rgb> }
  | { kind: "scale"; values: Float32Array; range: [number, number]; scale: Uint8Array }
  | { kind: "plain"; rgb: Rgb };

/** Four bytes per point. Points that `meant` leaves out are faint; with `hide` they are not drawn. */
export function paint(painting: Painting, out: Uint8Array, meant: ((point: number) => boolean) | null): void {
  const n = out.length / 4;
  const grey: Rgb = [128, 128, 128];
  for (let i = 0; i < n; i++) {
    let r: number, g: number, b: number;
    if (painting.kind === "scale") {
      const { range: [low, high], scale, values } = painting;
      const share = (values[i]! - low) / (high - low);
      const at = 3 * Math.round((STEPS - 1) * Math.min(1, Math.max(0, share || 0)));
      r = scale[at]!; g = scale[at + 1]!; b = scale[at + 2]!;
    } else {
      [r, g, b] = painting.kind === "plain" ? painting.rgb : painting.of.get(painting.labels[i]!) ?? grey;
    }
    out[4 * i] = r;
    out[4 * i + 1] = g;
    out[4 * i + 2] = b;
    out[4 * i + 3] = meant === null || meant(i) ? OPAQUE : FAINT;
  }
}

/** Points of at least this alpha are meant: they show pictures and can be pointed at. */
export const LEAST_ALPHA = FAINT + 1;
