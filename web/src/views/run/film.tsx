// Reconstructions and new samples of every epoch, of all shown runs, under one slider that plays as a film.
import { useEffect, useRef, useState } from "preact/hooks";
import { count } from "../../draw/sample";
import { Button, Select } from "../../ui/controls";
import { Notice } from "../../ui/notice";
import { whole } from "../../ui/numbers";
import type { Feed } from "./feed";
import { distributionOf, Frames, type Frame } from "./frames";
import { Strip } from "./strip";

const SHOWN = { image: 16, sequence: 6, table: 3 };

export function Film({ feeds, colours }: { feeds: Feed[]; colours: Record<string, string> }) {
  const epochs = [...new Set(feeds.flatMap(({ frames }) => frames))].sort((a, b) => a - b);
  const last = epochs.length - 1;
  // null: the newest, which follows the training.
  const [chosen, setChosen] = useState<number | null>(null);
  const [playing, setPlaying] = useState(false);
  const [speed, setSpeed] = useState("5");
  const place = chosen === null ? last : Math.min(chosen, last);
  const epoch = epochs[place] ?? 0;
  const stores = useFrames(feeds);
  for (const [run, store] of stores) store.want(feeds.find((feed) => feed.run === run)?.frames ?? [], epoch);
  const ready = [...stores.values()].every((store) => store.has(epochs[Math.min(place + 1, last)] ?? 0));

  useEffect(() => {
    if (!playing) return;
    const timer = setInterval(() => {
      if (!readyNow.current) return; // waits for what is still read
      setChosen((now) => {
        const next = (now ?? lastNow.current) + 1;
        return next > lastNow.current ? lastNow.current : next;
      });
    }, 1000 / Number(speed));
    return () => clearInterval(timer);
  }, [playing, speed]);
  const lastNow = useRef(last), readyNow = useRef(ready);
  lastNow.current = last;
  readyNow.current = ready;
  const running = feeds.some(({ detail }) => detail?.status === "running");
  useEffect(() => {
    if (!playing || place < last) return;
    setPlaying(false); // at its end the film stops, or goes on with the training
    setChosen(null);
  }, [playing, place, last]);

  const play = () => {
    if (!playing && place >= last) setChosen(0);
    setPlaying(!playing);
  };
  useSpace(play, last > 0);
  if (last < 0) {
    return running ? <Notice kind="loading" title="No frame yet">Reconstructions come with the first epoch that ends.</Notice> : null;
  }
  return (
    <section class="card stack film" aria-labelledby="film">
      <div class="spread">
        <h2 id="film">Reconstructions and samples</h2>
        <p class="hint" aria-live="polite">{chosen === null && running ? "Follows the training" : ""}</p>
      </div>
      <div class="film-tools">
        <Button label={playing ? "Pause (space)" : "Play (space)"} disabled={last === 0} onClick={play}>
          <svg class="sign" viewBox="0 0 16 16" aria-hidden="true">{playing ? <path d="M4 3 H7 V13 H4 Z M9 3 H12 V13 H9 Z" /> : <path d="M4 2.5 L13 8 L4 13.5 Z" />}</svg>
        </Button>
        <div class="slider">
          <label for="film-epoch">Epoch</label>
          <output for="film-epoch">{whole(epoch)} of {whole(epochs[last])}</output>
          <input
            id="film-epoch" type="range" min={0} max={Math.max(1, last)} step={1} value={place} disabled={last === 0} aria-valuetext={`epoch ${epoch}`}
            onInput={(event) => {
              setPlaying(false);
              const to = Number(event.currentTarget.value);
              setChosen(to >= last ? null : to);
            }}
          />
        </div>
        <Select label="Frames a second" value={speed} onChange={setSpeed} options={["2", "5", "10", "20"]} />
        <Button disabled={chosen === null} onClick={() => { setPlaying(false); setChosen(null); }}>Newest</Button>
      </div>
      {feeds.map(({ run, detail }) => {
        const store = stores.get(run);
        return store === undefined ? null : (
          <Strips key={run} run={run} store={store} epoch={epoch} columns={detail?.data_about.columns ?? null} colour={feeds.length > 1 ? colours[run] ?? "" : ""} />
        );
      })}
    </section>
  );
}

function Strips({ run, store, epoch, columns, colour }: { run: string; store: Frames; epoch: number; columns: string[] | null; colour: string }) {
  const shown = store.at(epoch);
  const { originals, kind } = store;
  if (store.error !== "") return <p class="wrong">{run}: {store.error}</p>;
  if (originals === null) return <p class="hint">{run}{store.has(epoch) ? " has no frames: it was trained without pictures." : ": loading"}</p>;
  const n = Math.min(SHOWN[kind], count(originals));
  const info = { kind, columns, distribution: kind === "table" ? distributionOf(originals, columns) : [] };
  const frame: Frame | null = shown?.frame ?? null;
  const generated = frame?.samples ?? null;
  const strip = { info, most: n, labels: store.labels };
  const reconstruction = frame?.reconstruction ?? null;
  return (
    <div class="stack run-strips">
      {colour !== "" && <h3><span class={`run-swatch ${colour}`} aria-hidden="true" />{run} <span class="hint">epoch {whole(shown?.epoch ?? epoch)}</span></h3>}
      {kind === "image" ? (
        <>
          <Strip {...strip} title="original" what="original" samples={originals} written />
          <Strip {...strip} title="reconstructed" what="reconstruction" samples={reconstruction} />
        </>
      ) : (
        <Strip {...strip} title="reconstructed, the original behind" what="reconstruction" samples={reconstruction} behind={originals} written />
      )}
      {generated !== null && <Strip {...strip} title="new samples" what="new sample" samples={generated} labels={null} />}
    </div>
  );
}

/** One store of frames per run, as long as it is shown. */
function useFrames(feeds: Feed[]): Map<string, Frames> {
  const [, redraw] = useState(0);
  const stores = useRef(new Map<string, Frames>());
  const runs = feeds.map(({ run }) => run);
  for (const run of runs) if (!stores.current.has(run)) stores.current.set(run, new Frames(run, () => redraw((n) => n + 1)));
  useEffect(() => {
    for (const [run, store] of [...stores.current]) {
      if (runs.includes(run)) continue;
      store.close();
      stores.current.delete(run);
    }
  }, [runs.join("\n")]);
  useEffect(() => () => stores.current.forEach((store) => store.close()), []);
  return stores.current;
}

/** Space plays and pauses, unless it is meant for a control or a line of text. */
function useSpace(play: () => void, enabled: boolean): void {
  const latest = useRef(play);
  latest.current = play;
  useEffect(() => {
    if (!enabled) return;
    const listener = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (event.key !== " " || target.closest("button, a, select, textarea, summary, dialog, input:not([type=range])") !== null) return;
      event.preventDefault();
      latest.current();
    };
    window.addEventListener("keydown", listener);
    return () => window.removeEventListener("keydown", listener);
  }, [enabled]);
}
