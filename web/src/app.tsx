// The frame of all views: navigation, the run at hand, and messages.
import { useEffect } from "preact/hooks";
import { useStore } from "./state/runs";
import { go, useRoute, type Route } from "./state/route";
import { Keys } from "./ui/keys";
import { ThemeSwitch } from "./ui/theme";
import { Toasts } from "./ui/toasts";
import { Notice } from "./ui/notice";
import { connect } from "./model/socket";
import { WithExplorer } from "./model/use";
import { RunsView } from "./views/runs";
import { RunView } from "./views/run";
import { CodesView } from "./views/codes";
import { CombineView } from "./views/combine";
import { DenoiseView } from "./views/denoise";
import { GenerateView } from "./views/generate";
import { TrainView } from "./views/train";
import { CompareView } from "./views/compare";

interface View {
  id: string;
  label: string;
  key: string;
  /** Whether it shows one run, whose name is in the address; and whether it needs its model. */
  of: "all" | "run" | "model";
}

const VIEWS: View[] = [
  { id: "runs", label: "Runs", key: "1", of: "all" },
  { id: "run", label: "Run", key: "2", of: "run" },
  { id: "codes", label: "Codes", key: "3", of: "model" },
  { id: "combine", label: "Combine", key: "4", of: "model" },
  { id: "denoise", label: "Denoise", key: "5", of: "model" },
  { id: "generate", label: "Generate", key: "6", of: "model" },
  { id: "compare", label: "Compare", key: "7", of: "all" },
  { id: "train", label: "Train", key: "8", of: "all" },
];

export function App() {
  const route = useRoute();
  const store = useStore();
  const view = VIEWS.find(({ id }) => id === route.view) ?? VIEWS[0]!;
  const run = route.run ?? store.latest(route.run);
  useEffect(() => {
    const title = view.of === "all" ? view.label : `${run ?? ""} ${view.label}`;
    document.title = `${title.trim()} · narrows`;
  }, [view, run]);
  useEffect(() => {
    const listener = (event: KeyboardEvent) => {
      if (!event.altKey || event.ctrlKey || event.metaKey) return;
      const chosen = VIEWS.find(({ key }) => key === event.key);
      if (chosen === undefined) return;
      event.preventDefault();
      go(target(chosen, run));
    };
    window.addEventListener("keydown", listener);
    return () => window.removeEventListener("keydown", listener);
  }, [run]);
  return (
    <div class="frame">
      <a class="skip" href="#view" onClick={(event) => { event.preventDefault(); document.getElementById("view")?.focus(); }}>
        Skip to the view
      </a>
      <Bar chosen={view} run={run} />
      <main id="view" tabIndex={-1} class={`view-${view.id}`}>
        {!store.online && <p class="offline" role="status">The server does not answer. What is shown is what was last heard; the page goes on when it is back.</p>}
        <Shown view={view} run={run} />
      </main>
      <Toasts />
    </div>
  );
}

function target(view: View, run: string | null): Route {
  return { view: view.id, run: view.of === "all" ? null : run, params: new URLSearchParams() };
}

function Bar({ chosen, run }: { chosen: View; run: string | null }) {
  const store = useStore();
  return (
    <header class="bar">
      <a class="brand" href="#/runs" aria-label="narrows: runs">
        <svg viewBox="0 0 32 32" aria-hidden="true"><path d="M3 5 L16 13 L29 5 V27 L16 19 L3 27 Z" /></svg>
        <span>narrows</span>
      </a>
      <nav aria-label="Views">
        {VIEWS.map((view) => (
          <a
            key={view.id} href={href(view, run)} class={view === chosen ? "chosen" : ""}
            {...(view === chosen ? { "aria-current": "page" as const } : {})} title={`${view.label} (Alt+${view.key})`}
          >
            {view.label}
          </a>
        ))}
      </nav>
      {chosen.of !== "all" && run !== null && (
        <div class="field at-hand">
          <label for="at-hand">Run</label>
          <select
            id="at-hand" value={run}
            onChange={(event) => go({ view: chosen.id, run: event.currentTarget.value, params: new URLSearchParams() })}
          >
            {!store.runs.some(({ name }) => name === run) && <option value={run} selected>{run}</option>}
            {store.runs.map(({ name }) => <option key={name} value={name} selected={name === run}>{name}</option>)}
          </select>
        </div>
      )}
      <div class="foot">
        <ThemeSwitch />
        <Keys />
      </div>
    </header>
  );
}

function href(view: View, run: string | null): string {
  return `#/${view.id}${view.of === "all" || run === null ? "" : `/${encodeURIComponent(run)}`}`;
}

function Shown({ view, run }: { view: View; run: string | null }) {
  const store = useStore();
  if (view.of === "all") {
    if (view.id === "train") return <TrainView />;
    return view.id === "compare" ? <CompareView /> : <RunsView />;
  }
  if (run === null) {
    if (store.state === "loading") return <Notice whole kind="loading" title="Loading the runs" />;
    return (
      <Notice whole kind="empty" title="No run yet" action={{ label: "Train a model", run: () => go({ view: "train", run: null, params: new URLSearchParams() }) }}>
        Train one here, or with <code>narrows train vae</code>; it appears by itself.
      </Notice>
    );
  }
  if (store.state === "ready" && !store.runs.some(({ name }) => name === run)) {
    const problem = store.problems.find((sentence) => sentence.includes(run));
    if (store.expected.has(run) && problem === undefined) return <Notice whole kind="loading" title={`${run} begins`}>Its data are read, or fetched first.</Notice>;
    return (
      <Notice whole kind="error" title="No such run" action={{ label: "See all runs", run: () => go({ view: "runs", run: null, params: new URLSearchParams() }) }}>
        {problem ?? `${run} is not in this folder: it was deleted, renamed or moved.`}
      </Notice>
    );
  }
  if (view.id === "run") return <RunView run={run} key={run} />;
  return (
    <WithExplorer run={run} connect={connect}>
      {view.id === "codes" ? <CodesView /> : view.id === "combine" ? <CombineView /> : view.id === "denoise" ? <DenoiseView /> : <GenerateView />}
    </WithExplorer>
  );
}
