// Sums of codes: a basket of samples with a weight each, and what the sum decodes to, beside the same sum of the samples.
import { useEffect, useRef, useState } from "preact/hooks";
import { Sample } from "../../draw/sample";
import { format, parse, type Term } from "../../model/expression";
import type { Combined, Explorer } from "../../model/explorer";
import { useExplorer } from "../../model/use";
import { useParam } from "../../state/route";
import { TextField } from "../../ui/controls";
import { number } from "../../ui/numbers";
import { useLive, useSettling } from "../shared/live";
import { Save, SplitSelect, splitOf, ViewHead, Without, Wrong } from "../shared/parts";
import { Basket } from "./basket";
import { Picker } from "./picker";
import "./combine.css";

export const FIRST = "0 - 1 + 2";

export function CombineView() {
  const explorer = useExplorer();
  const why = explorer.info.absent["combine"];
  return why === undefined ? <Combine explorer={explorer} /> : <Without title="Combine" why={why} />;
}

function Combine({ explorer }: { explorer: Explorer }) {
  const { info } = explorer;
  const [splitName, setSplit] = useParam("split", info.default_split);
  const split = splitOf(explorer, splitName);
  const [sum, setSum] = useSettling("sum", FIRST);
  const parsed = understood(sum);
  // What is wrong in the text leaves the basket as it was.
  const last = useRef<Term[]>([]);
  if (parsed.terms !== null) last.current = parsed.terms;
  const terms = last.current;
  const change = (next: Term[]) => setSum(format(next));
  const expression = format(terms);
  const { answer, error } = useLive(terms.length === 0 ? null : `${split}/${expression}`, () => explorer.combine(split, { expression }));
  const shown = terms.length === 0 ? null : answer;

  return (
    <>
      <ViewHead title="Combine">Add and subtract the codes of samples, and see what the sum decodes to.</ViewHead>
      <div class="columns combine">
        <section class="card stack" aria-label="Result">
          <Wrong error={error} />
          <Results explorer={explorer} answer={shown} />
          <Save
            explorer={explorer} kind="combination" fallback="combination"
            call={() => (terms.length === 0 ? null : { do: "combine", split, expression })}
          />
        </section>
        <section class="card stack controls" aria-label="Basket">
          <SumField text={sum} error={parsed.error} onChange={setSum} />
          <SplitSelect explorer={explorer} split={split} onChange={setSplit} />
          <Basket explorer={explorer} split={split} terms={terms} onChange={change} />
        </section>
      </div>
      <Picker explorer={explorer} split={split} chosen={terms} onPick={(term) => change([...terms, term])} />
    </>
  );
}

function understood(text: string): { terms: Term[] | null; error: string | undefined } {
  if (text.trim() === "") return { terms: [], error: undefined };
  try {
    return { terms: parse(text), error: undefined };
  } catch (problem) {
    return { terms: null, error: (problem as Error).message };
  }
}

/** The sum as text: while one types, what sliders would write does not take its place. */
function SumField({ text, error, onChange }: { text: string; error: string | undefined; onChange: (text: string) => void }) {
  return (
    <TextField
      label="Sum" value={text} onInput={onChange} error={error}
      hint="As in narrows combine: 3 - 7 + 0.5*12, mean(1,2), class:NAME"
    />
  );
}

function Results({ explorer, answer }: { explorer: Explorer; answer: Combined | null }) {
  const { info } = explorer;
  const numbers = answer?.numbers ?? {};
  const [spoken, speak] = useState("");
  useEffect(() => {
    if (answer === null) return;
    const timer = setTimeout(() => speak(`Distance of the nearest code ${number(answer.numbers["distance of the nearest code"])}.`), 800);
    return () => clearTimeout(timer);
  }, [answer]);
  return (
    <div class={`results ${info.kind}`}>
      <div class="results-pictures">
        <figure>
          <figcaption><strong>Decoded sum of the codes</strong></figcaption>
          <Sample info={info} samples={answer?.decoded ?? null} size="large" label="The decoded sum of the codes" />
        </figure>
        <figure>
          <figcaption><strong>The same sum of the samples</strong></figcaption>
          <Sample info={info} samples={answer?.plain ?? null} size="large" label="The same sum of the samples themselves" />
        </figure>
      </div>
      <dl class="combine-facts">
        <Fact name="Distance of the nearest code">
          {number(numbers["distance of the nearest code"])}
          <span class="faint"> {numbers["nearest row"] === undefined ? "" : `sample ${numbers["nearest row"]}`}</span>
        </Fact>
        <Fact name="Length from the centre">{number(numbers["length of the code from the centre"])}</Fact>
        {info.kind === "image" && <Fact name="Values clipped">{percent(numbers["values clipped, share"])}</Fact>}
      </dl>
      <p class="visually-hidden" role="status">{spoken}</p>
    </div>
  );
}

function Fact({ name, children }: { name: string; children: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function percent(share: number | undefined): string {
  return share === undefined ? "–" : `${(share * 100).toFixed(1)}%`;
}
