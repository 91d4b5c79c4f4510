// A sequence as lines, one per channel, on a canvas.
import type { Samples } from "../model/explorer";
import { colour } from "../state/theme";
import { number } from "../ui/numbers";

export const COLOURS = 10; // --class-0 ... --class-9 of the style sheet
const LABELLED = 200; // pixels of width from which there is room for numbers at the axes

export type Range = [number, number];

interface Frame {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

export function drawLines(canvas: HTMLCanvasElement, one: Samples, behind: Samples | null, range?: Range): void {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth || 160, height = canvas.clientHeight || 96;
  const pixels = [Math.round(width * ratio), Math.round(height * ratio)] as const;
  if (canvas.width !== pixels[0] || canvas.height !== pixels[1]) [canvas.width, canvas.height] = pixels;
  const pen = canvas.getContext("2d");
  if (pen === null) return;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const [low, high] = range ?? rangeOf([one, behind]);
  const labelled = width >= LABELLED;
  const frame = { left: labelled ? 46 : 4, right: width - 6, top: 6, bottom: height - (labelled ? 20 : 6) };
  const y = (value: number) => frame.bottom - ((value - low) / (high - low)) * (frame.bottom - frame.top);
  axes(pen, frame, y, [low, high], one.shape[1] ?? 1, labelled);
  pen.save();
  pen.beginPath();
  pen.rect(frame.left - 2, frame.top - 4, frame.right - frame.left + 4, frame.bottom - frame.top + 8);
  pen.clip(); // a range that is given may be left
  if (behind !== null) strokes(pen, behind, frame, y, true);
  strokes(pen, one, frame, y, false);
  pen.restore();
}

export function rangeOf(all: (Samples | null)[]): Range {
  let low = Infinity, high = -Infinity;
  for (const samples of all) {
    for (const value of samples?.data ?? []) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  if (!(low <= high)) return [0, 1];
  return high > low ? [low, high] : [low - 0.5, high + 0.5];
}

/** The ends of the values, the line at 0, and the steps. */
function axes(
  pen: CanvasRenderingContext2D, { left, right, top, bottom }: Frame, y: (value: number) => number, [low, high]: Range,
  steps: number, labelled: boolean,
): void {
  pen.strokeStyle = colour("rule", pen.canvas);
  pen.lineWidth = 1;
  const level = (value: number) => {
    const at = Math.round(y(value)) + 0.5;
    pen.beginPath();
    pen.moveTo(left, at);
    pen.lineTo(right, at);
    pen.stroke();
  };
  const between = low < 0 && high > 0;
  if (between) level(0);
  if (!labelled) return;
  level(low);
  level(high);
  pen.fillStyle = colour("faint", pen.canvas);
  pen.font = `11px ${getComputedStyle(pen.canvas).fontFamily}`;
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  pen.fillText(number(high), left - 6, top + 3);
  pen.fillText(number(low), left - 6, bottom - 2);
  if (between && y(0) > top + 16 && y(0) < bottom - 16) pen.fillText("0", left - 6, y(0));
  pen.textBaseline = "alphabetic";
  pen.textAlign = "left";
  pen.fillText("1", left, bottom + 15);
  pen.textAlign = "right";
  pen.fillText(`step ${steps}`, right, bottom + 15);
}

function strokes(pen: CanvasRenderingContext2D, one: Samples, { left, right }: Frame, y: (value: number) => number, faint: boolean): void {
  const [, steps = 1, channels = 1] = one.shape;
  pen.globalAlpha = faint ? 0.45 : 1;
  pen.setLineDash(faint ? [4, 3] : []);
  pen.lineWidth = right - left > LABELLED ? 1.75 : 1.25;
  pen.lineJoin = "round";
  for (let channel = 0; channel < channels; channel++) {
    pen.strokeStyle = colour(`class-${channel % COLOURS}`, pen.canvas);
    pen.beginPath();
    let drawing = false;
    for (let t = 0; t < steps; t++) {
      const value = one.data[t * channels + channel] ?? NaN;
      if (Number.isNaN(value)) { // missing, or beyond the end of a shorter sequence
        drawing = false;
        continue;
      }
      const x = left + (t / Math.max(1, steps - 1)) * (right - left);
      if (drawing) pen.lineTo(x, y(value));
      else pen.moveTo(x, y(value));
      drawing = true;
    }
    pen.stroke();
  }
  pen.globalAlpha = 1;
  pen.setLineDash([]);
}
