// Several runs side by side: the table of measures, and the same samples reconstructed by each.
import { get } from "../../api/http";
import { setParams, useRoute } from "../../state/route";
import { useRequest } from "../../state/request";
import { useStore } from "../../state/runs";
import { Notice } from "../../ui/notice";
import { number, whole } from "../../ui/numbers";
import { Chips } from "../run/chips";
import { namesAs, namesIn } from "../runs/window";
import { ComparedSamples } from "./samples";
import { best, type Comparison } from "./table";
import "../run/run.css";
import "../runs/runs.css";
import "./compare.css";

const MOST = 12;

export function CompareView() {
  const store = useStore();
  const { params } = useRoute();
  const there = new Set(store.runs.map(({ name }) => name));
  const named = [...namesIn(params.get("runs") ?? ""), ...params.getAll("run")]; // the latter as in the server's addresses
  const runs = [...new Set(named)].filter((name) => store.state !== "ready" || there.has(name)).slice(0, MOST);
  if (store.state === "loading") return <Notice whole kind="loading" title="Loading the runs" />;
  if (store.state === "error") return <Notice whole kind="error" title="No answer">{store.error}</Notice>;
  const set = (names: string[]) => setParams({ runs: namesAs(names) || null, run: null, from: null });
  return (
    <>
      <div class="head"><h1>Compare</h1></div>
      {store.runs.length > 0 && <Chips shown={runs} all={store.runs.map(({ name }) => name)} most={MOST} onChange={set} />}
      {runs.length === 0 ? <Choose /> : (
        <>
          <Measures runs={runs} />
          <ComparedSamples runs={runs} />
        </>
      )}
    </>
  );
}

function Choose() {
  const { runs } = useStore();
  const finished = runs.filter(({ status }) => status === "finished").slice(0, 3).map(({ name }) => name);
  if (runs.length === 0) return <Notice kind="empty" title="No runs to compare">Train two models first; both appear here by themselves.</Notice>;
  return (
    <Notice
      kind="empty" title="Choose runs to compare"
      action={finished.length > 1 ? { label: `Compare the latest ${finished.length}`, run: () => setParams({ runs: namesAs(finished) }) } : undefined}
    >
      Add them above, or select them in the table of runs.
    </Notice>
  );
}

function Measures({ runs }: { runs: string[] }) {
  const key = runs.map((run) => `run=${encodeURIComponent(run)}`).join("&");
  const { value: table, error, retry } = useRequest<Comparison>(key, (signal) => get(`api/compare?${key}`, signal));
  if (error !== "") return <Notice kind="error" title="No comparison" action={{ label: "Try again", run: retry }}>{error}</Notice>;
  if (table === null) return <Notice kind="loading" title="Measuring" />;
  // Where the data or their scales differ, the server says so, and what it costs is all that compares.
  const alike = !table.problems.some((problem) => problem.includes("do not compare"));
  const marked = table.measures.filter(({ name }) => alike || ["parameters", "seconds", "bytes on disk"].includes(name));
  const bests = Object.fromEntries(marked.map(({ name, lower_is_better: lower }) => [name, best(table, name, lower)]));
  const counts = new Set(table.measures.map(({ name }) => name).filter((name) => table.rows.every(({ values }) => Number.isInteger(values[name] ?? 0))));
  return (
    <section class="card stack" aria-labelledby="measures">
      <div class="head"><h2 id="measures">Measures</h2><p class="hint">The best of each is marked.</p></div>
      <div class="table-scroll" tabIndex={0} role="group" aria-labelledby="measures">
        <table class="measures">
          <thead>
            <tr>
              <th scope="col">Run</th>
              {table.measures.map(({ name, lower_is_better: lower }) => (
                <th class="number" scope="col" key={name}>{name}<br /><span class="way">{lower ? "lower is better" : "higher is better"}</span></th>
              ))}
            </tr>
          </thead>
          <tbody>
            {table.rows.map(({ run, values }) => (
              <tr key={run} class={runs.includes(run) ? "" : "baseline"}>
                <th scope="row">{runs.includes(run) ? <a href={`#/run/${encodeURIComponent(run)}`}>{run}</a> : run}</th>
                {table.measures.map(({ name }) => {
                  const value = values[name], top = bests[name]?.has(run) ?? false;
                  return (
                    <td class={`number ${top ? "best" : ""}`} key={name}>
                      {counts.has(name) ? whole(value) : number(value)}{top && <span class="visually-hidden"> (best)</span>}
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {table.problems.map((problem) => <p class="hint" key={problem}>{problem}</p>)}
    </section>
  );
}
