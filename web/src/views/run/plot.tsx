// One chart: a term over the course of training, drawn by uPlot in the colours of the style sheet.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { colour } from "../../state/theme";
import { number } from "../../ui/numbers";
import { nearest, type Axis, type Chart } from "./series";

export interface Level {
  run: string;
  value: number;
}

export interface Mark {
  run: string;
  x: number;
  y: number;
}

interface Props {
  chart: Chart;
  levels: Level[];
  /** Points with a ring around them. */
  marks: Mark[];
  axis: Axis;
  log: boolean;
  smoothing: number;
  colours: Record<string, string>;
  zoom: [number, number] | null;
  onZoom: (zoom: [number, number] | null) => void;
  /** A value of the axis, or null where nothing is pointed at. */
  at: number | null;
  onPoint: (x: number | null) => void;
  theme: number;
}

const HEIGHT = 260;
const FONT = "12px system-ui, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif";

export function Plot(props: Props) {
  const { chart, levels, axis, log, smoothing, colours, zoom, at } = props;
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const silent = useRef(false);

  // What the chart is made of: when this changes it is built anew; new values alone are handed to it.
  const form = JSON.stringify([chart.series.map(({ run, split }) => [run, split]), levels, axis, log, smoothing > 0, colours, props.theme]);
  useEffect(() => {
    const element = place.current!;
    const made = new uPlot(optionsOf(latest, element.clientWidth, silent), dataOf(chart, levels, smoothing), element);
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [form]);
  useEffect(() => {
    plot.current?.setData(dataOf(chart, levels, smoothing), false);
    scale(plot.current, chart.x, zoom);
  }, [chart, zoom, form, smoothing]);
  useEffect(() => {
    const made = plot.current;
    if (made === null || made.data[0].length === 0) return;
    silent.current = true;
    if (at === null) made.setCursor({ left: -10, top: -10 }, false);
    else made.setCursor({ left: made.valToPos(at, "x"), top: made.bbox.height / 2 / devicePixelRatio }, false);
    silent.current = false;
  }, [at, form]);

  const onKeyDown = (event: KeyboardEvent) => {
    const next = byKey(event, chart.x, at, zoom);
    if (next === null) return;
    event.preventDefault();
    if (next.zoom !== undefined) props.onZoom(next.zoom);
    if (next.at !== undefined) props.onPoint(next.at);
  };
  return (
    <div
      ref={place} class="plot" tabIndex={0} role="img" aria-label={describe(chart)} onKeyDown={onKeyDown}
      onMouseLeave={() => props.onPoint(null)}
    />
  );
}

function describe({ term, series }: Chart): string {
  const all = series.map(({ run, split, raw }) => {
    const values = raw.filter((value) => value !== null);
    return `${run}, ${split === "train" ? "training" : "validation"} data: from ${number(values[0])} to ${number(values.at(-1))}`;
  });
  return `${term}. ${all.join("; ")}. Arrow keys point at values, plus and minus zoom, 0 shows all.`;
}

/** What a key does: the place that is pointed at, or the range that is shown. */
export function byKey(
  event: { key: string; shiftKey: boolean }, x: number[], at: number | null, zoom: [number, number] | null,
): { at?: number | null; zoom?: [number, number] | null } | null {
  const first = x[0], last = x.at(-1);
  if (first === undefined || last === undefined) return null;
  const [low, high] = zoom ?? [first, last];
  const sign = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (sign !== undefined && event.shiftKey) {
    const step = Math.min(Math.max(sign * (high - low) / 4, first - low), last - high);
    return { zoom: [low + step, high + step] };
  }
  if (sign !== undefined) {
    const place = at === null ? (sign > 0 ? 0 : x.length - 1) : nearest(x, at) + sign;
    return { at: x[Math.min(x.length - 1, Math.max(0, place))]! };
  }
  if (event.key === "Home") return { at: first };
  if (event.key === "End") return { at: last };
  if (event.key === "Escape") return { at: null };
  if (event.key === "0") return { zoom: null };
  if (event.key === "+" || event.key === "=") {
    const middle = at ?? (low + high) / 2, half = (high - low) / 4;
    return { zoom: [Math.max(first, middle - half), Math.min(last, middle + half)] };
  }
  if (event.key === "-") {
    const half = high - low, middle = (low + high) / 2;
    const wide: [number, number] = [Math.max(first, middle - half), Math.min(last, middle + half)];
    return { zoom: wide[0] === first && wide[1] === last ? null : wide };
  }
  return null;
}

function scale(made: uPlot | null, x: number[], zoom: [number, number] | null): void {
  const first = x[0], last = x.at(-1);
  if (made === null || first === undefined || last === undefined) return;
  const [min, max] = zoom ?? (last > first ? [first, last] : [first - 0.5, first + 0.5]);
  made.setScale("x", { min, max });
}

function dataOf({ x, series }: Chart, levels: Level[], smoothing: number): uPlot.AlignedData {
  const curves = series.flatMap(({ raw, smooth }) => (smoothing > 0 ? [raw, smooth] : [smooth]));
  return [x, ...curves, ...levels.map(({ value }) => x.map(() => value))];
}

function optionsOf(latest: { current: Props }, width: number, silent: { current: boolean }): uPlot.Options {
  const { chart, levels, axis, log, smoothing, colours } = latest.current;
  const rule = colour("rule"), faint = colour("faint"), ink = colour("ink");
  const curves: uPlot.Series[] = chart.series.flatMap(({ run, split }) => {
    const line: uPlot.Series = {
      label: run, stroke: colour(colours[run] ?? "accent"), width: 1.75, spanGaps: true, points: { show: chart.x.length === 1, size: 6 },
      ...(split === "validation" ? { dash: [6, 4] } : {}),
    };
    return smoothing > 0 ? [{ ...line, alpha: 0.28, width: 1 }, line] : [line];
  });
  const positive = chart.series.every(({ raw }) => raw.every((value) => value === null || value > 0));
  const grid = { stroke: rule, width: 1 };
  const common = { stroke: faint, font: FONT, grid, ticks: { ...grid, size: 4 } };
  return {
    width, height: HEIGHT,
    legend: { show: false },
    padding: [10, 12, 0, 0],
    scales: {
      x: { time: false },
      y: { distr: log && positive ? 3 : 1 },
    },
    axes: [
      {
        ...common, size: 32, space: 60, grid: { show: false },
        values: (_, ticks) => ticks.map((tick) => (axis === "time" ? seconds(tick) : Number.isInteger(tick) ? tick.toLocaleString("en-US") : "")),
      },
      { ...common, size: 64, space: 36, values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : short(tick))) },
    ],
    series: [{}, ...curves, ...levels.map(({ run }): uPlot.Series => ({
      label: "PCA", stroke: levels.length > 1 ? colour(colours[run] ?? "faint") : faint, width: 1, dash: [2, 3], points: { show: false },
    }))],
    cursor: {
      y: false, drag: { x: true, y: false, setScale: false }, points: { size: 6 }, focus: { prox: 30 },
      bind: { dblclick: () => () => { latest.current.onZoom(null); return null; } },
    },
    hooks: {
      setSelect: [(made) => {
        if (made.select.width < 4) return;
        latest.current.onZoom([made.posToVal(made.select.left, "x"), made.posToVal(made.select.left + made.select.width, "x")]);
        made.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
      }],
      setCursor: [(made) => {
        if (silent.current) return;
        const place = made.cursor.idx;
        latest.current.onPoint(place === null || place === undefined || (made.cursor.left ?? -1) < 0 ? null : made.data[0][place] ?? null);
      }],
      draw: [(made) => {
        for (const { value } of levels.slice(0, 1)) write(made, "PCA", value, ink);
        for (const mark of latest.current.marks) ring(made, mark, colour(colours[mark.run] ?? "accent"));
      }],
    },
  };
}

/** A word above the right end of a level. */
function write(made: uPlot, word: string, value: number, ink: string): void {
  const { ctx, bbox } = made, y = made.valToPos(value, "y", true);
  if (y < bbox.top || y > bbox.top + bbox.height) return;
  ctx.save();
  ctx.fillStyle = ink;
  ctx.globalAlpha = 0.75;
  ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
  ctx.textAlign = "right";
  ctx.fillText(word, bbox.left + bbox.width - 4 * devicePixelRatio, y - 5 * devicePixelRatio);
  ctx.restore();
}

function ring(made: uPlot, { x, y }: Mark, stroke: string): void {
  const { ctx, bbox } = made;
  const left = made.valToPos(x, "x", true), top = made.valToPos(y, "y", true);
  if (!(left >= bbox.left - 1 && left <= bbox.left + bbox.width + 1 && top >= bbox.top - 1 && top <= bbox.top + bbox.height + 1)) return;
  ctx.save();
  ctx.strokeStyle = stroke;
  ctx.lineWidth = 1.5 * devicePixelRatio;
  ctx.setLineDash([]);
  ctx.beginPath();
  ctx.arc(left, top, 5 * devicePixelRatio, 0, 2 * Math.PI);
  ctx.stroke();
  ctx.restore();
}

function short(value: number): string {
  const size = Math.abs(value);
  const text = size >= 1e5 || (size > 0 && size < 1e-3) ? value.toExponential(0) : value.toLocaleString("en-US", { maximumSignificantDigits: 6 });
  return text.replace("-", "−");
}

function seconds(value: number): string {
  if (value < 120) return `${short(value)} s`;
  return value < 7200 ? `${short(value / 60)} min` : `${short(value / 3600)} h`;
}
