// A sequence as lines, one per channel, on a canvas.
import type { Samples } from "../model/explorer";
import { colour } from "../state/theme";

export const COLOURS = 10; // --class-0 ... --class-9 of the style sheet

export function drawLines(canvas: HTMLCanvasElement, one: Samples, behind: Samples | null): void {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth || 160, height = canvas.clientHeight || 96;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const pen = canvas.getContext("2d");
  if (pen === null) return;
  pen.scale(ratio, ratio);
  const [low, high] = rangeOf([one, behind]);
  const y = (value: number) => height - 4 - ((value - low) / (high - low)) * (height - 8);
  if (behind !== null) strokes(pen, behind, width, y, 0.35);
  strokes(pen, one, width, y, 1);
}

export function rangeOf(all: (Samples | null)[]): [number, number] {
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

function strokes(pen: CanvasRenderingContext2D, one: Samples, width: number, y: (value: number) => number, alpha: number): void {
  const [, steps = 1, channels = 1] = one.shape;
  pen.globalAlpha = alpha;
  pen.lineWidth = 1.5;
  pen.lineJoin = "round";
  for (let channel = 0; channel < channels; channel++) {
    pen.strokeStyle = colour(`class-${channel % COLOURS}`, pen.canvas);
    pen.beginPath();
    for (let t = 0; t < steps; t++) {
      const value = one.data[t * channels + channel] ?? NaN;
      if (Number.isNaN(value)) break; // beyond the end of a shorter sequence
      const x = 4 + (t / Math.max(1, steps - 1)) * (width - 8);
      if (t === 0) pen.moveTo(x, y(value));
      else pen.lineTo(x, y(value));
    }
    pen.stroke();
  }
  pen.globalAlpha = 1;
}
