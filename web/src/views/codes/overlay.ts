// What is drawn over the points: the axes' values, rings around chosen points, the path between two, the line of a selection.
import { colour } from "../../state/theme";
import { number } from "../../ui/numbers";
import { ticks, type Viewport } from "./viewport";

export interface Marks {
  pinned: number;
  a: number;
  b: number;
  /** The path between A and B, in the plane. */
  path: number[];
  /** The line of a selection being drawn, on the screen. */
  lasso: number[];
}

export function noMarks(): Marks {
  return { pinned: -1, a: -1, b: -1, path: [], lasso: [] };
}

const LEFT = 42, BELOW = 24; // pixels of the bands that the axes' values stand on
const TAU = 2 * Math.PI;

/** The colours and the typeface, read when the appearance changes and not for each picture. */
export class Overlay {
  private faint = "";
  private accent = "";
  private second = "";
  private surface = "";
  private rule = "";
  private font = "";

  constructor(private readonly canvas: HTMLCanvasElement) {
    this.restyle();
  }

  restyle(): void {
    const style = (name: string) => colour(name, this.canvas);
    this.faint = style("faint");
    this.accent = style("accent");
    this.second = style("second");
    this.surface = style("surface");
    this.rule = style("rule");
    this.font = `11px ${style("font") || "sans-serif"}`;
  }

  draw(view: Viewport, points: Float32Array, marks: Marks, ratio: number, axes: boolean): void {
    const width = Math.round(view.width * ratio), height = Math.round(view.height * ratio);
    const pen = this.canvas.getContext("2d");
    if (pen === null) return;
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, view.width, view.height);
    pen.lineJoin = "round";
    if (axes) this.axes(pen, view);
    if (marks.path.length > 2) this.line(pen, marks.path.map((v, i) => (i % 2 === 0 ? view.screenX(v) : view.screenY(v))), this.second, false);
    this.ring(pen, view, points, marks.pinned, this.accent, "");
    this.ring(pen, view, points, marks.a, this.second, "A");
    this.ring(pen, view, points, marks.b, this.second, "B");
    if (marks.lasso.length > 2) this.line(pen, marks.lasso, this.accent, true);
  }

  private axes(pen: CanvasRenderingContext2D, view: Viewport): void {
    pen.fillStyle = this.surface;
    pen.fillRect(0, 0, LEFT, view.height);
    pen.fillRect(LEFT, view.height - BELOW, view.width, BELOW);
    pen.fillStyle = this.rule;
    pen.fillRect(LEFT, 0, 1, view.height - BELOW);
    pen.fillRect(LEFT, view.height - BELOW, view.width, 1);
    pen.font = this.font;
    pen.fillStyle = this.faint;
    pen.textBaseline = "alphabetic";
    pen.textAlign = "center";
    for (const value of ticks(view.toX(0), view.toX(view.width), view.width)) {
      const x = view.screenX(value);
      if (x < LEFT + 14 || x > view.width - 60) continue;
      pen.fillRect(x - 0.5, view.height - BELOW, 1, 4);
      pen.fillText(short(value), x, view.height - 7);
    }
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const value of ticks(view.toY(view.height), view.toY(0), view.height)) {
      const y = view.screenY(value);
      if (y < 14 || y > view.height - BELOW - 8) continue;
      pen.fillRect(LEFT - 4, y - 0.5, 4, 1);
      pen.fillText(short(value), LEFT - 8, y);
    }
  }

  private ring(pen: CanvasRenderingContext2D, view: Viewport, points: Float32Array, point: number, stroke: string, name: string): void {
    if (point < 0 || 2 * point >= points.length) return;
    const x = view.screenX(points[2 * point]!), y = view.screenY(points[2 * point + 1]!);
    for (const [width, style] of [[5, this.surface], [2.5, stroke]] as const) {
      pen.beginPath();
      pen.arc(x, y, 9, 0, TAU);
      pen.lineWidth = width;
      pen.strokeStyle = style;
      pen.stroke();
    }
    if (name === "") return;
    pen.beginPath();
    pen.arc(x + 14, y - 14, 9, 0, TAU);
    pen.fillStyle = stroke;
    pen.fill();
    pen.fillStyle = this.surface;
    pen.font = `bold ${this.font}`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.fillText(name, x + 14, y - 13.5);
  }

  private line(pen: CanvasRenderingContext2D, at: number[], stroke: string, closed: boolean): void {
    pen.beginPath();
    for (let i = 0; i < at.length; i += 2) pen.lineTo(at[i]!, at[i + 1]!);
    if (closed) {
      pen.closePath();
      pen.globalAlpha = 0.12;
      pen.fillStyle = stroke;
      pen.fill();
      pen.globalAlpha = 1;
    }
    for (const [width, style] of [[4, this.surface], [2, stroke]] as const) {
      pen.lineWidth = width;
      pen.strokeStyle = style;
      pen.stroke();
    }
  }
}

/** A value of an axis: 0.5, −2, 1.5e4. */
function short(value: number): string {
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size >= 1e5 || size < 1e-3 ? number(value) : String(Number(value.toPrecision(6))).replace("-", "−");
}

const SVG = "http://www.w3.org/2000/svg";

/** Four strokes around a place, with a halo so that they are seen on any colour. */
function cross(): SVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "-16 -16 32 32");
  for (const kind of ["halo", "line"]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", "M-12 0H-4M4 0H12M0-12V-4M0 4V12");
    path.setAttribute("class", kind);
    svg.append(path);
  }
  return svg;
}

/** A mark that follows the pointer: an element of its own, since drawing all of the overlay anew would take longer. */
export class Follower {
  private readonly element = document.createElement("div");
  /** Where it is, in the plane; null where it is nowhere. */
  at: [number, number] | null = null;

  constructor(host: HTMLElement, kind: string) {
    this.element.className = `codes-mark ${kind}`;
    if (kind === "cross") this.element.append(cross());
    this.element.hidden = true;
    host.append(this.element);
  }

  place(view: Viewport): void {
    const x = this.at === null ? -1 : view.screenX(this.at[0]), y = this.at === null ? -1 : view.screenY(this.at[1]);
    const seen = x >= 0 && y >= 0 && x <= view.width && y <= view.height;
    if (seen) this.element.style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px)`;
    if (this.element.hidden === seen) this.element.hidden = !seen;
  }
}
