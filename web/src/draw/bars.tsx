// A row of a table: each column's value beside the column's distribution, in its units.
import type { Column, ModelInfo } from "../api/types";
import type { Samples } from "../model/explorer";
import { number } from "../ui/numbers";

const PROFILE = 28; // columns that the small form shows at most

interface Props {
  info: Pick<ModelInfo, "columns" | "distribution">;
  row: Samples | null;
  /** What it is held against, as a second mark. */
  behind: Samples | null;
  label: string;
  size: string;
}

/** The columns; where nothing is known of the data, by their names or numbers alone. */
export function columnsOf(info: Props["info"], n: number): Column[] {
  if (info.distribution.length > 0) return info.distribution;
  return Array.from({ length: n }, (_, i) => ({ name: info.columns?.[i] ?? `column ${i + 1}`, quantiles: [], unit: "" }));
}

/** A picture's name for those who do not see it; without one it is left out. */
export function described(label: string) {
  return label === "" ? { "aria-hidden": true as const } : { role: "img" as const, "aria-label": label };
}

/** Where a value lies between the least and the greatest of its column: from 0 to 1. */
export function shareOf({ quantiles, levels }: Column, value: number): number {
  if (levels !== undefined) return Math.min(1, Math.max(0, value / Math.max(1, levels.length - 1)));
  const low = quantiles[0] ?? value - 1, high = quantiles.at(-1) ?? value + 1;
  return Math.min(1, Math.max(0, (value - low) / (high - low || 1)));
}

/** A value in words: the level of a text, or a number with its unit. */
export function written({ levels, unit }: Column, value: number): string {
  return levels?.[Math.round(value)] ?? number(value) + (unit && ` ${unit}`);
}

export function RowBars({ info, row, behind, label, size }: Props) {
  const columns = columnsOf(info, row?.data.length ?? 0);
  if (size === "small") return <Profile columns={columns} row={row} label={label} />;
  return (
    <div class={`row-bars ${size}`} role="table" aria-label={label} tabIndex={0}>
      {columns.map((column, i) => {
        const value = row?.data[i] ?? NaN, other = behind?.data[i] ?? NaN;
        return (
          <div class="row-bar" role="row" key={i}>
            <span class="name" role="rowheader" title={column.name}>{column.name}</span>
            <svg viewBox="0 0 100 14" preserveAspectRatio="none" aria-hidden="true">
              <Distribution column={column} />
              {!Number.isNaN(other) && <rect class="other" x={shareOf(column, other) * 98.4} y="0" width="1.6" height="14" />}
              {!Number.isNaN(value) && <rect class="value" x={shareOf(column, value) * 97.6} y="0" width="2.4" height="14" />}
            </svg>
            <span class="number" role="cell" title={column.levels && written(column, value)}>
              {row !== null && Number.isNaN(value) ? "missing" : written(column, value)}
            </span>
          </div>
        );
      })}
    </div>
  );
}

/** From the least to the greatest value, darker where more of the training rows lie. */
function Distribution({ column }: { column: Column }) {
  const { quantiles } = column, last = quantiles.length - 1;
  return ( // levels of a text have no order that one could be spread over
    <>
      <rect class="extent" x="0" y="6.5" width="100" height="1" />
      {column.levels === undefined && Array.from({ length: Math.floor(last / 2) }, (_, i) => {
        const a = shareOf(column, quantiles[i] ?? 0) * 100, b = shareOf(column, quantiles[last - i] ?? 0) * 100;
        return <rect class="spread" key={i} x={a} y="2.5" width={Math.max(0.5, b - a)} height="9" />;
      })}
    </>
  );
}

/** All columns side by side: the middle eighty per cent of each as a grey bar, and the value as a mark. */
function Profile({ columns, row, label }: { columns: Column[]; row: Samples | null; label: string }) {
  const shown = columns.slice(0, PROFILE), step = 100 / Math.max(1, shown.length), wide = Math.min(step * 0.72, 14);
  return (
    <svg class="row-profile" viewBox="0 0 100 44" preserveAspectRatio="none" {...described(label)}>
      {shown.map((column, i) => {
        const last = column.quantiles.length - 1, ten = Math.round(last / 10), value = row?.data[i] ?? NaN;
        const low = last > 0 ? shareOf(column, column.quantiles[ten]!) : 0, high = last > 0 ? shareOf(column, column.quantiles[last - ten]!) : 1;
        const x = i * step + (step - wide) / 2, y = (share: number) => 41 - share * 38;
        return (
          <g key={i}>
            <rect class="spread" x={x} y={y(high)} width={wide} height={Math.max(1, y(low) - y(high))} />
            {!Number.isNaN(value) && <rect class="value" x={x} y={y(shareOf(column, value)) - 1.5} width={wide} height="3" />}
          </g>
        );
      })}
    </svg>
  );
}
