// The curves of the chosen terms, for all shown runs, with one cursor, one zoom and one legend for all charts.
import { useEffect, useMemo, useState } from "preact/hooks";
import { setParams, useNumber, useParam } from "../../state/route";
import { Button, Segmented, Slider } from "../../ui/controls";
import { Notice } from "../../ui/notice";
import { fixed } from "../../ui/numbers";
import type { Feed } from "./feed";
import { Legend } from "./legend";
import { Plot } from "./plot";
import { chartOf, kept, pcaLevel, termsOf, usualTerms, xOf, type Axis } from "./series";

export function Curves({ feeds, colours }: { feeds: Feed[]; colours: Record<string, string> }) {
  const [axis, setAxis] = useParam("axis", "epoch") as [Axis, (axis: string) => void];
  const [scale, setScale] = useParam("scale", "linear");
  const [smoothing, setSmoothing] = useNumber("smooth", 0);
  const [chosenText] = useParam("terms", "");
  const [zoom, setZoom] = useState<[number, number] | null>(null);
  const [at, setAt] = useState<number | null>(null);
  const theme = useThemeChanges();
  const histories = feeds.map(({ lines }) => lines);
  const terms = termsOf(histories);
  const named = chosenText === "" ? [] : chosenText.split(",").filter((term) => terms.includes(term));
  const shown = named.length > 0 ? named : usualTerms(terms, histories);
  const charts = useMemo(
    () => shown.map((term) => chartOf(term, feeds, axis, smoothing)),
    [shown.join(), axis, smoothing, ...histories, feeds.map(({ run }) => run).join("\n")],
  );
  const marks = feeds.flatMap(({ run, lines }) => {
    const line = kept(lines), y = line?.validation?.["loss"];
    return line === null || y === null || y === undefined ? [] : [{ run, x: xOf(line, axis), y }];
  });
  const notes = feeds.flatMap(({ run, lines }) => lines.filter(({ note }) => note).map(({ epoch, note }) => ({ run, epoch, note })));
  if (terms.length === 0) {
    const started = feeds.some(({ detail }) => detail?.status === "running");
    return <Notice kind={started ? "loading" : "empty"} title={started ? "The first epoch is under way" : "No epoch yet"}>Curves begin with the first epoch that ends.</Notice>;
  }
  const toggle = (term: string) => {
    const next = shown.includes(term) ? shown.filter((one) => one !== term) : terms.filter((one) => one === term || shown.includes(one));
    if (next.length > 0) setParams({ terms: next.join(",") });
  };
  const help = Object.assign({}, ...feeds.map(({ detail }) => detail?.terms ?? {})) as Record<string, string>;
  const signed = scale === "log" && charts.filter(({ series }) => series.some(({ raw }) => raw.some((value) => value !== null && value <= 0)));
  return (
    <section class="card stack" aria-labelledby="curves">
      <div class="spread">
        <h2 id="curves">Curves</h2>
        <div class="terms" role="group" aria-label="Terms that are shown">
          {terms.map((term) => (
            <button key={term} type="button" class="button" aria-pressed={shown.includes(term)} title={help[term] ?? term} onClick={() => toggle(term)}>{term}</button>
          ))}
        </div>
      </div>
      <div class={`plots of-${Math.min(3, charts.length)}`}>
        {charts.map((chart) => (
          <figure key={chart.term}>
            <figcaption title={help[chart.term] ?? ""}><b>{chart.term}</b> {help[chart.term] ?? ""}</figcaption>
            <Plot
              chart={chart} axis={axis} log={scale === "log"} smoothing={smoothing} colours={colours} zoom={zoom} onZoom={setZoom} at={at} onPoint={setAt}
              theme={theme} marks={chart.term === "loss" ? marks : []}
              levels={feeds.flatMap(({ run, detail }) => {
                const value = pcaLevel(chart.term, detail);
                return value === null ? [] : [{ run, value }];
              })}
            />
          </figure>
        ))}
      </div>
      {signed && signed.length > 0 && <p class="hint">{signed.map(({ term }) => term).join(", ")}: on a linear axis, since not all values are above 0.</p>}
      {notes.slice(-4).map(({ run, epoch, note }) => (
        <p class="hint" key={`${run} ${epoch}`}>{feeds.length > 1 ? `${run}, epoch ${epoch}` : `Epoch ${epoch}`}: {note}</p>
      ))}
      <Legend charts={charts} runs={feeds.map(({ run }) => run)} colours={colours} axis={axis} at={at} />
      <div class="row curve-tools">
        <Segmented label="Horizontal axis" value={axis} onChange={(value) => { setZoom(null); setAt(null); setAxis(value); }} options={AXES} />
        <Segmented label="Vertical axis" value={scale} onChange={setScale} options={[{ value: "linear", label: "Linear" }, { value: "log", label: "Log" }]} />
        <Slider label="Smoothing" value={smoothing} low={0} high={0.99} step={0.01} onInput={setSmoothing} format={(value) => fixed(value, 2)} />
        <Button disabled={zoom === null} onClick={() => setZoom(null)}>Reset zoom</Button>
        <p class="hint">Drag over a chart to zoom, double click to see all.{marks.length > 0 && shown.includes("loss") && " The ring is the epoch whose weights are kept."}</p>
      </div>
    </section>
  );
}

const AXES = [{ value: "epoch", label: "Epoch" }, { value: "step", label: "Step" }, { value: "time", label: "Time" }];

/** Counts changes between light and dark, after which canvases are drawn anew. */
function useThemeChanges(): number {
  const [count, setCount] = useState(0);
  useEffect(() => {
    const listener = () => setCount((n) => n + 1);
    const query = matchMedia("(prefers-color-scheme: dark)");
    query.addEventListener("change", listener);
    window.addEventListener("narrows-theme", listener);
    return () => {
      query.removeEventListener("change", listener);
      window.removeEventListener("narrows-theme", listener);
    };
  }, []);
  return count;
}
