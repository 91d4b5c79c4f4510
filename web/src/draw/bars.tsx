// A row of a table: each column's value as a bar beside the column's distribution, in its units.
import type { ModelInfo } from "../api/types";
import type { Samples } from "../model/explorer";
import { number } from "../ui/numbers";

export function RowBars(
  { info, row, behind, label, size }: {
    info: Pick<ModelInfo, "columns" | "distribution">; row: Samples | null; behind: Samples | null; label: string; size: string;
  },
) {
  const columns = info.distribution;
  return (
    <div class={`row-bars ${size}`} role="table" aria-label={label} tabIndex={0}>
      {columns.map((column, i) => {
        const value = row?.data[i] ?? NaN;
        const other = behind?.data[i];
        const low = column.quantiles[0] ?? 0, high = column.quantiles.at(-1) ?? 1;
        const share = (v: number) => Math.min(1, Math.max(0, (v - low) / (high - low || 1)));
        return (
          <div class="row-bar" role="row" key={column.name}>
            <span class="name" role="rowheader" title={column.name}>{column.name}</span>
            <svg viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">
              <Distribution quantiles={column.quantiles} share={share} />
              {other !== undefined && <rect class="other" x={share(other) * 100 - 0.6} y="0" width="1.2" height="12" />}
              {!Number.isNaN(value) && <rect class="value" x={share(value) * 100 - 0.9} y="0" width="1.8" height="12" />}
            </svg>
            <span class="number" role="cell">{number(value)}{column.unit && ` ${column.unit}`}</span>
          </div>
        );
      })}
    </div>
  );
}

/** From the least to the greatest value, darker where more of the training rows lie. */
function Distribution({ quantiles, share }: { quantiles: number[]; share: (value: number) => number }) {
  const last = quantiles.length - 1;
  return (
    <>
      {Array.from({ length: Math.floor(last / 2) }, (_, i) => {
        const a = share(quantiles[i] ?? 0) * 100, b = share(quantiles[last - i] ?? 0) * 100;
        return <rect class="spread" key={i} x={a} y="2" width={Math.max(0.5, b - a)} height="8" />;
      })}
    </>
  );
}
