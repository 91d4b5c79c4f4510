// New samples from the model's prior or a density of its codes; and the training samples that they are nearest to.
import { useEffect, useState } from "preact/hooks";
import type { Explorer, Samples } from "../../model/explorer";
import { useExplorer } from "../../model/use";
import { useParam } from "../../state/route";
import { Button, Checkbox, Segmented, Select, Slider, TextField } from "../../ui/controls";
import { counted, randomSeed, useLive, useSettling, useSettlingNumber } from "../shared/live";
import { Save, ViewHead, Without, Wrong } from "../shared/parts";
import { Chosen } from "./chosen";
import { Tiles } from "./tiles";
import "./generate.css";

const NUMBERS = ["16", "64", "144"];
const HOTTEST = 2;

export interface Near {
  x: Samples;
  rows: Int32Array;
  distance: Float32Array;
}

export function GenerateView() {
  const explorer = useExplorer();
  const why = explorer.info.absent["generate"] ?? (explorer.generate === undefined ? "There is nothing here to draw samples from." : undefined);
  return why === undefined ? <Generate explorer={explorer} /> : <Without title="Generate" why={why} />;
}

function Generate({ explorer }: { explorer: Explorer }) {
  const { info } = explorer;
  const [samplerName, setSampler] = useParam("sampler", info.samplers[0]?.name ?? "prior");
  const sampler = info.samplers.find(({ name }) => name === samplerName) ?? info.samplers[0];
  const [temperature, setTemperature] = useSettlingNumber("temperature", 1, 0, HOTTEST);
  const [seedText, setSeed] = useSettling("seed", "0");
  const seed = /^\d+$/.test(seedText) && Number(seedText) < 2 ** 32 ? Number(seedText) : null;
  const [numberText, setNumber] = useParam("n", NUMBERS[info.kind === "image" ? 1 : 0]!);
  const n = Number(NUMBERS.includes(numberText) ? numberText : NUMBERS[0]);
  const [pairs, setPairs] = useParam("pairs", "");
  const [y, setY] = useParam("y", "0");
  const conditional = info.condition !== null;
  const options = {
    n, sampler: sampler?.name ?? "prior", temperature, seed: seed ?? 0, ...(conditional ? { y: Number(y) || 0 } : {}),
  };
  const key = seed === null ? null : JSON.stringify(options);
  const { answer, error } = useLive(key, async () => ({ key, ...(await explorer.generate!(options)) }));
  useEffect(() => {
    if (answer !== null) counted("generated");
  }, [answer]);
  const [chosen, choose] = useState<number | null>(null);
  const nearest = info.absent["nearest"] === undefined ? explorer.nearest : undefined;
  const count = answer?.x.shape[0] ?? 0;
  const at = chosen === null || chosen >= count ? null : chosen;

  const wanted = nearest !== undefined && answer !== null && pairs !== "" ? answer.key : null;
  const all = useLive(wanted, async () => ({ key: wanted, ...(await nearest!(info.kind === "table" ? { x: answer!.x } : { z: answer!.z })) }));
  const paired = pairs !== "" && nearest !== undefined;
  const near: Near | null = pairs !== "" && all.answer?.key === answer?.key ? all.answer : null;

  return (
    <>
      <ViewHead title="Generate">New samples, decoded from codes that are drawn at random.</ViewHead>
      <div class="columns generate">
        <section class="card stack" aria-label="New samples">
          <Wrong error={error ?? all.error} />
          <div class={`generate-body ${info.kind} ${paired ? "pairs" : ""}`}>
            <Tiles info={info} n={n} answer={answer} near={near} pairs={paired} chosen={at} onChoose={choose} />
            <Chosen info={info} nearest={nearest} answer={answer} at={at} />
          </div>
        </section>
        <section class="card stack controls" aria-label="Controls">
          {info.samplers.length > 1
            ? <Select
                label="Codes are drawn from" value={options.sampler} onChange={setSampler} hint={sampler?.help ?? ""}
                options={info.samplers.map(({ name }) => ({ value: name, label: name }))}
              />
            : <p class="small"><span class="faint">Codes are drawn from</span> {sampler?.name}: {sampler?.help}</p>}
          {conditional && (
            <Select label="Class" value={y} onChange={setY} options={info.condition!.map((name, i) => ({ value: String(i), label: name }))} />
          )}
          <Slider
            label="Temperature" value={temperature} low={0} high={HOTTEST} step={0.01} onInput={setTemperature}
            format={(value) => value.toFixed(2)}
          />
          <div class="seed">
            <TextField
              label="Seed" value={seedText} onInput={setSeed} inputMode="numeric"
              {...(seed === null ? { error: "A whole number from 0 to 4,294,967,295." } : {})}
            />
            <Button label="Another seed" onClick={() => setSeed(String(randomSeed()))}>
              <svg class="die" viewBox="0 0 20 20" aria-hidden="true">
                <rect x="1.5" y="1.5" width="17" height="17" rx="4" /><circle cx="6" cy="6" r="1.6" /><circle cx="14" cy="6" r="1.6" />
                <circle cx="10" cy="10" r="1.6" /><circle cx="6" cy="14" r="1.6" /><circle cx="14" cy="14" r="1.6" />
              </svg>
            </Button>
          </div>
          <Segmented label="Number" value={String(n)} onChange={setNumber} options={NUMBERS.map((value) => ({ value, label: value }))} />
          {nearest !== undefined && (
            <Checkbox label="Show the nearest training samples" checked={pairs !== ""} onChange={(on) => setPairs(on ? "1" : "")} />
          )}
          {info.absent["save"] === undefined
            ? <Save
                explorer={explorer} kind="generated" fallback={`generated_${options.sampler}_${options.seed}`}
                call={() => (seed === null ? null : { do: "generate", ...options })}
              />
            : <p class="hint">{info.absent["save"]}</p>}
        </section>
      </div>
    </>
  );
}
