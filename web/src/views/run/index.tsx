// One run, or several side by side: curves, what it reconstructs after every epoch, and what it is.
import { useEffect, useState } from "preact/hooks";
import type { RunRow } from "../../api/types";
import * as actions from "../../state/actions";
import { go, setParams, useParam } from "../../state/route";
import { useStore } from "../../state/runs";
import { Button } from "../../ui/controls";
import { Notice } from "../../ui/notice";
import { against, ago, duration, number, whole } from "../../ui/numbers";
import { Rename } from "../runs/rename";
import { namesAs, namesIn } from "../runs/window";
import { About, AdviceList, Pictures, Settings } from "./about";
import { Chips } from "./chips";
import { Curves } from "./curves";
import { useFeeds } from "./feed";
import { Film } from "./film";
import "./run.css";

const COLOURS = ["accent", "class-0", "class-2", "class-4", "class-1", "class-9", "class-6", "class-5", "class-8", "class-7"];

export function RunView({ run }: { run: string }) {
  const store = useStore();
  const [withText] = useParam("with", "");
  const there = new Map(store.runs.map((row) => [row.name, row]));
  const others = namesIn(withText).filter((name) => name !== run && (store.state !== "ready" || there.has(name))).slice(0, COLOURS.length - 1);
  const names = [run, ...others];
  const { feeds, refresh } = useFeeds(names);
  const colours = Object.fromEntries(names.map((name, i) => [name, COLOURS[i]!]));
  const statuses = names.map((name) => `${name} ${there.get(name)?.status ?? ""}`).join("\n");
  useEffect(() => names.forEach(refresh), [statuses]); // a run that ended has a summary and pictures
  const feed = feeds.find((one) => one.run === run);
  const row = there.get(run) ?? feed?.detail ?? null;
  if (row === null || feed === undefined) {
    return feed?.error ? <Notice whole kind="error" title="No such run">{feed.error}</Notice> : <Notice whole kind="loading" title="Loading the run">{run}</Notice>;
  }
  const detail = feed.detail;
  return (
    <>
      <Head row={row} />
      {(others.length > 0 || store.runs.length > 1) && (
        <Chips
          shown={names} fixed={run} all={store.runs.map(({ name }) => name)} colours={colours} most={COLOURS.length}
          onChange={(next) => setParams({ with: namesAs(next.filter((name) => name !== run)) || null })}
        />
      )}
      {feeds.filter(({ broken }) => broken > 0).map(({ run: name, broken }) => (
        <p class="hint" key={name}>{name}: {broken === 1 ? "one line of its history cannot be read and is" : `${broken} lines of its history cannot be read and are`} left out.</p>
      ))}
      <Curves feeds={feeds} colours={colours} />
      <Film feeds={feeds} colours={colours} />
      {detail !== null && (
        <>
          <div class="two">
            <Settings detail={detail} />
            <AdviceList advice={feed.advice} running={row.status === "running"} />
          </div>
          <Pictures detail={detail} />
          <About detail={detail} />
        </>
      )}
    </>
  );
}

function Head({ row }: { row: RunRow }) {
  const { runs } = useStore();
  const [renaming, setRenaming] = useState(false);
  const [resuming, setResuming] = useState(false);
  const open = (view: string) => go({ view, run: row.name, params: new URLSearchParams() });
  const resume = async () => {
    setResuming(true);
    await actions.resume(row.name);
    setResuming(false);
  };
  const remove = async () => {
    await actions.remove([row.name]);
    go({ view: "runs", run: null, params: new URLSearchParams() });
  };
  return (
    <header class="stack">
      <div class="spread">
        <div class="head">
          <h1 class="name">{row.name}</h1>
          <span class={`status ${row.status}`}>{row.status}</span>
          <span class="faint">{row.model} on {row.data.split("/").at(-1)}, {ago(row.started)}</span>
        </div>
        <div class="row" role="group" aria-label="Actions">
          {row.status === "running" && <Button onClick={() => void actions.stop(row.name)}>Stop</Button>}
          {row.resumable && row.status !== "running" && <Button kind="primary" disabled={resuming} onClick={() => void resume()}>{resuming ? "Resuming" : "Resume"}</Button>}
          <Button onClick={() => open("codes")}>Explore</Button>
          <Button onClick={() => setRenaming(true)}>Rename</Button>
          <Button kind="danger" onClick={() => void remove()}>Delete</Button>
        </div>
      </div>
      {row.failure !== "" && <p class="failure" role="alert">{row.failure}</p>}
      <Facts row={row} />
      {row.note !== "" && <p class="faint">After the last epoch: {row.note}.</p>}
      {renaming && (
        <Rename
          run={row.name} taken={runs.map(({ name }) => name)}
          onClose={(name) => {
            setRenaming(false);
            if (name !== null) go({ view: "run", run: name, params: new URLSearchParams() }, true);
          }}
        />
      )}
    </header>
  );
}

function Facts({ row }: { row: RunRow }) {
  const facts: [string, string, string][] = [
    ["Epoch", `${whole(row.epoch)}${row.epochs === null ? "" : ` of ${whole(row.epochs)}`}`, row.left === null ? duration(row.seconds) : `${duration(row.left)} left`],
    ["Squared error", number(row.error), row.pca === null ? (row.split ?? "") : `PCA ${number(row.pca)} ${against(row.error, row.pca)}`],
    ["ELBO", number(row.elbo), row.elbo === null ? "" : "nats"],
    ["KL", number(row.kl), row.kl === null ? "" : "nats"],
    ["Latent dimension", whole(row.latent_dim), ""],
    ["Parameters", whole(row.parameters), ""],
  ];
  const running = row.status === "running";
  return (
    <div class="card run-facts">
      {facts.map(([name, value, more]) => (
        <div key={name} class="fact"><span class="hint">{name}</span><b>{value}</b><span class="hint">{more || "\u00a0"}</span></div>
      ))}
      {running && <progress value={row.epoch} max={row.epochs ?? Math.max(1, row.epoch)} aria-label="Progress" />}
    </div>
  );
}
