// Noise on a sample, and what the model makes of it: input, its reconstruction, noisy, cleaned, and the errors.
import { useEffect, useRef, useState } from "preact/hooks";
import type { Explorer, Prepared, Samples, Source } from "../../model/explorer";
import { useExplorer } from "../../model/use";
import { useParam } from "../../state/route";
import { Button, Segmented, Select, Slider } from "../../ui/controls";
import { number } from "../../ui/numbers";
import { complain } from "../../ui/toasts";
import { counted, randomSeed, useLive, useSettlingNumber } from "../shared/live";
import { RowField, Save, SplitSelect, splitOf, useSampleName, ViewHead, Without, Wrong } from "../shared/parts";
import { Drawing } from "./drawing";
import { EditRow } from "./edit";
import { FileDrop } from "./file";
import { Panes } from "./panes";
import "./denoise.css";

type Own = "draw" | "file" | "edit";

const NAMES: Record<string, string> = { sample: "Sample", draw: "Draw", file: "File", edit: "Edit" };

/** Where the input may come from, by what samples are. */
export function sourcesOf({ info, prepare }: Explorer): string[] {
  if (prepare === undefined || info.kind === "sequence") return ["sample"];
  return info.kind === "image" ? ["sample", "draw", "file"] : ["sample", "edit"];
}

export function DenoiseView() {
  const explorer = useExplorer();
  const why = explorer.info.absent["denoise"];
  return why === undefined ? <Denoise explorer={explorer} /> : <Without title="Denoise" why={why} />;
}

function Denoise({ explorer }: { explorer: Explorer }) {
  const { info } = explorer;
  const sources = sourcesOf(explorer);
  const [splitName, setSplit] = useParam("split", info.default_split);
  const split = splitOf(explorer, splitName);
  const n = info.splits[split] ?? 0;
  const [from, setFrom] = useParam("from", n > 0 ? "sample" : sources[1] ?? "sample");
  const source = sources.includes(from) ? from : "sample";
  const [row, setRow] = useSettlingNumber("row", 0, 0, Math.max(0, n - 1));
  const [kindName, setKind] = useParam("noise", info.corruption.default.split(":")[0] ?? "gaussian");
  const kind = info.corruption.kinds.find(({ name }) => name === kindName) ?? info.corruption.kinds[0]!;
  const trained = info.corruption.default.split(":");
  const usual = trained[0] === kind.name && trained[1] !== undefined ? Number(trained[1]) : kind.default;
  const [strength, setStrength] = useSettlingNumber("strength", usual, kind.low, kind.high);
  const [seed, setSeed] = useSettlingNumber("seed", 0, 0, 2 ** 32 - 1);
  const [own, setOwn] = useState<{ by: Own; prepared: Prepared; number: number } | null>(null);
  const name = useSampleName(explorer, split, source === "sample" && n > 0 ? row : null);

  const mine = own !== null && own.by === source ? own : null;
  const input: Source | null = source === "sample" ? (n > 0 ? { split, row } : null) : mine && { input: mine.prepared.input };
  const key = input === null ? null : [source, split, row, mine?.number, kind.name, strength, seed].join("/");
  const { answer, error } = useLive(key, () => explorer.denoise(input!, kind.name, strength, seed));
  useEffect(() => {
    if (answer !== null) counted("denoised");
  }, [answer]);

  const given = useRef(0);
  const give = async (by: Own, picture: Blob | Samples | null) => {
    const number = ++given.current;
    if (picture === null) return setOwn(null);
    try {
      const prepared = await explorer.prepare!(picture, by === "draw");
      if (number === given.current) setOwn({ by, prepared, number }); // a later stroke may have been quicker
    } catch (problem) {
      complain(problem);
    }
  };
  const call = () => (source === "sample" && input !== null
    ? { do: "denoise", split, row, corruption: kind.name, strength, seed } : null);

  return (
    <>
      <ViewHead title="Denoise">Add noise to a sample, and see what the model makes of it.</ViewHead>
      <div class="columns denoise">
        <section class="card panes-card" aria-label="Pictures">
          <Wrong error={error} />
          <Panes info={info} answer={input === null ? null : answer} empty={EMPTY[source]} />
        </section>
        <section class="card stack controls" aria-label="Controls">
          {sources.length > 1 && (
            <Segmented label="Input" value={source} onChange={setFrom} options={sources.map((value) => ({ value, label: NAMES[value]! }))} />
          )}
          {source === "sample" && (
            <>
              <SplitSelect explorer={explorer} split={split} onChange={setSplit} />
              {n > 0 && <RowField n={n} row={row} name={name} onChange={setRow} />}
            </>
          )}
          {source === "draw" && <Drawing shape={info.shape} onDraw={(picture) => void give("draw", picture)} />}
          {source === "file" && <FileDrop onFile={(file) => void give("file", file)} />}
          {source === "edit" && <EditRow explorer={explorer} split={split} row={row} onEdit={(x) => void give("edit", x)} />}
          {info.kind === "sequence" && <p class="hint">Sequences are chosen, not drawn.</p>}
          <hr />
          <Select
            label="Noise" value={kind.name} hint={kind.help}
            onChange={setKind} options={info.corruption.kinds.map((each) => ({ value: each.name, label: each.name.replace("_", " and ") }))}
          />
          <Slider
            label="Strength" value={strength} low={kind.low} high={kind.high} step={kind.integer ? 1 : 0.01} onInput={setStrength}
            format={(value) => value.toFixed(kind.integer ? 0 : 2)}
          />
          <div class="spread">
            <Button onClick={() => setSeed(randomSeed())}>New noise</Button>
            <span class="small faint">seed {seed}</span>
          </div>
          {source === "sample" && (
            <Save explorer={explorer} kind="denoised" call={call} fallback={`denoised_${split}_${row}`} />
          )}
        </section>
      </div>
      <p class="visually-hidden" role="status">{answer && `Cleaned: squared error ${number(answer.numbers["denoised"])}; noisy: ${number(answer.numbers["noisy"])}.`}</p>
    </>
  );
}

const EMPTY: Record<string, string> = {
  sample: "There are no samples: the data of this run are gone.", draw: "Draw something.",
  file: "Choose a picture.", edit: "Change a value.",
};
