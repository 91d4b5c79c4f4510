// The values of all runs at the place that is pointed at, or the last ones: a table whose size never changes.
import { Fragment } from "preact";
import { fixed, number, whole } from "../../ui/numbers";
import { nearest, valueAt, type Axis, type Chart } from "./series";

export function Legend(
  { charts, runs, colours, axis, at }: {
    charts: Chart[]; runs: string[]; colours: Record<string, string>; axis: Axis; at: number | null;
  },
) {
  const last = Math.max(...charts.map(({ x }) => x.at(-1) ?? 0));
  const here = at ?? last;
  const where = axis === "time" ? `${fixed(here, 1)} s` : whole(Math.round(here));
  return (
    <div class="table-scroll" tabIndex={0} role="group" aria-label="Values">
      <table class="legend">
        <thead>
          <tr>
            <th scope="col">{axis === "time" ? "after" : axis} <span class="where">{where}</span></th>
            {charts.map(({ term }) => (
              <Fragment key={term}>
                <th class="number" scope="col">{term}<br /><span class="key solid">training</span></th>
                <th class="number" scope="col"><span class="visually-hidden">{term} </span><br /><span class="key dashed">validation</span></th>
              </Fragment>
            ))}
          </tr>
        </thead>
        <tbody>
          {runs.map((run) => (
            <tr key={run}>
              <th scope="row"><span class={`run-swatch ${colours[run] ?? ""}`} aria-hidden="true" />{run}</th>
              {charts.map((chart) => (["train", "validation"] as const).map((split) => (
                <td class="number" key={`${chart.term} ${split}`}>{number(value(chart, run, split, here))}</td>
              )))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function value(chart: Chart, run: string, split: string, here: number): number | null {
  const series = chart.series.find((one) => one.run === run && one.split === split);
  return series === undefined || chart.x.length === 0 ? null : valueAt(series.raw, nearest(chart.x, here));
}
