// How numbers, times and sizes are written, as in src/narrows/numbers.py.

/** Four digits that count, thousands apart: 0.01234, 8.685, 12,340. */
export function number(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e7 || size < 1e-3) return minus(value.toExponential(3));
  const digits = Math.max(0, 3 - Math.floor(Math.log10(size)));
  return minus(written(value, digits));
}

// Made once for every number of digits: making one takes longer than writing a thousand numbers.
const formats: Intl.NumberFormat[] = [];

function written(value: number, digits: number): string {
  formats[digits] ??= new Intl.NumberFormat("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return formats[digits].format(value);
}

/** A number that changes while one looks: always as many digits, so that nothing moves. */
export function fixed(value: number, digits = 2): string {
  return minus(Number.isFinite(value) ? value.toFixed(digits) : "–");
}

function minus(text: string): string {
  return text.replace("-", "−");
}

export function whole(value: number | null | undefined): string {
  return value === null || value === undefined ? "–" : written(value, 0);
}

/** 0.8 s, 21 s, 3:05 min, 2:10 h. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const rounded = Math.round(seconds);
  const two = (n: number) => String(Math.floor(n)).padStart(2, "0");
  if (rounded < 60) return `${rounded} s`;
  if (rounded < 3600) return `${Math.floor(rounded / 60)}:${two(rounded % 60)} min`;
  return `${Math.floor(rounded / 3600)}:${two((rounded % 3600) / 60)} h`;
}

/** −54% of another number. */
export function against(value: number | null, other: number | null): string {
  if (value === null || other === null || !(other > 0)) return "";
  const percent = Math.round((value / other - 1) * 100);
  return percent === 0 ? "±0%" : minus(`${percent > 0 ? "+" : ""}${percent}%`);
}

const times = new Intl.RelativeTimeFormat("en", { style: "narrow" });

/** 2min ago, 3d ago; of an ISO time. */
export function ago(started: string, now = Date.now()): string {
  const seconds = (now - Date.parse(started)) / 1000;
  if (!Number.isFinite(seconds)) return "";
  const units: [number, Intl.RelativeTimeFormatUnit][] = [[86400, "day"], [3600, "hour"], [60, "minute"]];
  for (const [size, unit] of units) {
    if (seconds >= size) return times.format(-Math.floor(seconds / size), unit);
  }
  return "just now";
}
