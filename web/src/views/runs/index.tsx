// All runs of the folder, live: sorted, filtered and selected as the address says.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { get } from "../../api/http";
import type { Form } from "../../api/types";
import * as actions from "../../state/actions";
import { go, setParams, useParam } from "../../state/route";
import { refresh, useStore } from "../../state/runs";
import { Button, Select } from "../../ui/controls";
import { Copy } from "../../ui/copy";
import { Notice } from "../../ui/notice";
import { COLUMNS } from "./columns";
import { filtered, sorted, type Defaults } from "./filter";
import { Rename } from "./rename";
import { Table } from "./table";
import { namesAs, namesIn } from "./window";
import "./runs.css";

const FEW = 3; // problems that are listed at once

export function RunsView() {
  const store = useStore();
  if (store.state === "loading") return <Notice whole kind="loading" title="Loading the runs" />;
  if (store.state === "error") {
    return <Notice whole kind="error" title="No answer" action={{ label: "Try again", run: () => void refresh() }}>{store.error}</Notice>;
  }
  if (store.runs.length === 0) return <Empty problems={store.problems} />;
  return <List />;
}

function List() {
  const { runs, problems, folder } = useStore();
  const [sort, setSort] = useParam("sort", "-started");
  const [filter, setFilter] = useParam("filter", "");
  const [selectedText, setSelected] = useParam("select", "");
  const [renamed, setRenamed] = useState<string | null>(null);
  const defaults = useDefaults(filter !== "");
  const shown = useMemo(() => {
    const { runs: left, problem } = filtered(runs, filter, defaults);
    return { runs: sorted(left, sort, defaults), problem };
  }, [runs, filter, sort, defaults]);
  const there = new Set(shown.runs.map(({ name }) => name));
  const selected = namesIn(selectedText).filter((name) => there.has(name));
  const running = runs.filter(({ status }) => status === "running").length;
  return (
    <>
      <div class="head">
        <h1>Runs</h1>
        <p class="faint">{summaryOf(runs.length, running)}{folder === "" ? "" : <> in <span class="mono">{folder}</span></>}</p>
      </div>
      <div class="runs-tools">
        <Filter value={filter} onInput={setFilter} problem={shown.problem} shown={shown.runs.length} of={runs.length} />
        <div class="only-narrow">
          <Select label="Sort by" value={sort} onChange={setSort} options={orders()} />
        </div>
        <Actions selected={selected} onRename={setRenamed} onNone={() => setSelected("")} />
      </div>
      {shown.runs.length === 0 ? (
        <Notice kind="empty" title="No run meets this filter" action={{ label: "Clear the filter", run: () => setFilter("") }}>{filter}</Notice>
      ) : (
        <Table
          runs={shown.runs} selected={selected} onSelect={(names) => setSelected(namesAs(names))} sort={sort} onSort={setSort} onRename={setRenamed}
        />
      )}
      <Problems problems={problems} />
      {renamed !== null && (
        <Rename
          run={renamed} taken={runs.map(({ name }) => name)}
          onClose={(name) => {
            if (name !== null) setParams({ select: namesAs(selected.map((one) => (one === renamed ? name : one))) || null });
            setRenamed(null);
          }}
        />
      )}
    </>
  );
}

function summaryOf(count: number, running: number): string {
  return `${count.toLocaleString("en-US")} ${count === 1 ? "run" : "runs"}${running > 0 ? `, ${running} running` : ""}`;
}

function Filter(
  { value, onInput, problem, shown, of }: { value: string; onInput: (value: string) => void; problem: string | null; shown: number; of: number },
) {
  const ref = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== "/" || (event.target as HTMLElement).closest("input, textarea, select") !== null) return;
      event.preventDefault();
      ref.current?.focus();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
  const said = problem ?? (value === "" ? "" : `${shown.toLocaleString("en-US")} of ${of.toLocaleString("en-US")}`);
  return (
    <div class="field runs-filter">
      <label for="runs-filter">Filter</label>
      <input
        ref={ref} id="runs-filter" type="search" value={value} placeholder="model=vae error<10 name" spellcheck={false} autocomplete="off"
        aria-invalid={problem !== null} aria-describedby="runs-filter-said" onInput={(event) => onInput(event.currentTarget.value)}
      />
      <p id="runs-filter-said" class={`hint ${problem === null ? "" : "wrong"}`} aria-live="polite">{said || "\u00a0"}</p>
    </div>
  );
}

function Actions({ selected, onRename, onNone }: { selected: string[]; onRename: (run: string) => void; onNone: () => void }) {
  const { runs } = useStore();
  const chosen = runs.filter(({ name }) => selected.includes(name));
  const running = chosen.filter(({ status }) => status === "running");
  const resumable = chosen.filter(({ status, resumable: can }) => can && status !== "running");
  const [first = "", ...others] = selected;
  if (selected.length === 0) {
    return <p class="runs-actions hint">Select runs to see their curves side by side, to compare, stop, resume, rename or delete them.</p>;
  }
  return (
    <div class="runs-actions" role="group" aria-label="Actions on the selected runs">
      <span class="small" aria-live="polite">{selected.length} selected</span>
      <Button kind="primary" onClick={() => go({ view: "run", run: first, params: new URLSearchParams(others.length > 0 ? { with: namesAs(others) } : {}) })}>Curves</Button>
      <Button onClick={() => go({ view: "compare", run: null, params: new URLSearchParams({ runs: namesAs(selected) }) })}>Compare</Button>
      <Button disabled={running.length === 0} onClick={() => running.forEach(({ name }) => void actions.stop(name))}>Stop</Button>
      <Button disabled={resumable.length === 0} onClick={() => resumable.forEach(({ name }) => void actions.resume(name))}>Resume</Button>
      <Button disabled={selected.length !== 1} onClick={() => onRename(first)}>Rename</Button>
      <Button kind="danger" onClick={() => void actions.remove(selected)}>Delete</Button>
      <Button kind="quiet" label="Select none" onClick={onNone}>×</Button>
    </div>
  );
}

function orders(): { value: string; label: string }[] {
  return COLUMNS.flatMap(({ sort, label }) => (sort === null ? [] : [
    { value: sort, label: `${label}, ascending` }, { value: `-${sort}`, label: `${label}, descending` },
  ]));
}

function Problems({ problems }: { problems: string[] }) {
  if (problems.length === 0) return null;
  const list = <ul class="small faint problems" aria-label="Problems">{problems.map((problem) => <li key={problem}>{problem}</li>)}</ul>;
  return problems.length <= FEW ? list : <details class="small faint"><summary>{problems.length} problems</summary>{list}</details>;
}

/** The defaults of all parameters, asked for once and only where a filter may need them. */
function useDefaults(needed: boolean): Defaults {
  const [defaults, setDefaults] = useState<Defaults>({});
  useEffect(() => {
    if (!needed || Object.keys(defaults).length > 0) return;
    get<Form>("api/form").then(
      ({ models }) => setDefaults(Object.fromEntries(
        models.map(({ name, fields }) => [name, Object.fromEntries(fields.map((field) => [field.name, field.default]))]),
      )),
      () => undefined, // the filter then knows what was changed alone
    );
  }, [needed]);
  return defaults;
}

function Empty({ problems }: { problems: string[] }) {
  const { folder } = useStore();
  return (
    <>
      <div class="head"><h1>Runs</h1></div>
      <section class="runs-empty card" aria-labelledby="no-runs">
        <svg class="art" viewBox="0 0 120 64" aria-hidden="true">
          <path d="M4 6 L52 24 V40 L4 58 Z" /><path d="M116 6 L68 24 V40 L116 58 Z" /><rect x="57" y="26" width="6" height="12" rx="2" />
        </svg>
        <h2 id="no-runs">No runs yet{folder === "" ? "" : <> in <span class="mono">{folder}</span></>}</h2>
        <p class="faint">Train a model here, or from a terminal. A run appears by itself as soon as it begins, and can be watched from its first epoch.</p>
        <Copy text="narrows train vae" label="Copy the command" />
        <Button kind="primary" onClick={() => go({ view: "train", run: null, params: new URLSearchParams() })}>Train a model</Button>
      </section>
      <Problems problems={problems} />
    </>
  );
}
