// The terms of the sum: what each stands for, its weight, and a way out.
import { Sample } from "../../draw/sample";
import { operandText, type Term } from "../../model/expression";
import type { Explorer } from "../../model/explorer";
import { Button, Slider } from "../../ui/controls";
import { fixed } from "../../ui/numbers";
import { useLive } from "../shared/live";
import { sampleName } from "../shared/parts";

const WIDEST = 2;

export function Basket({ explorer, split, terms, onChange }: {
  explorer: Explorer; split: string; terms: Term[]; onChange: (terms: Term[]) => void;
}) {
  if (terms.length === 0) return <p class="basket-empty">The basket is empty. Pick samples below, or write a sum.</p>;
  return (
    <ul class="basket" aria-label="Terms">
      {terms.map((term, i) => (
        <Item
          key={`${i}/${operandText(term)}`} explorer={explorer} split={split} term={term} lane={`term-${i}`}
          onWeight={(weight) => onChange(terms.map((each, j) => (i === j ? { ...each, weight } : each)))}
          onRemove={() => onChange(terms.filter((_, j) => j !== i))}
        />
      ))}
    </ul>
  );
}

function Item({ explorer, split, term, lane, onWeight, onRemove }: {
  explorer: Explorer; split: string; term: Term; lane: string; onWeight: (weight: number) => void; onRemove: () => void;
}) {
  const { info } = explorer;
  const operand = operandText(term), row = term.label === null && term.index.length === 1 ? term.index[0]! : null;
  const { answer, error } = useLive(`${split}/${operand}`, async () => {
    if (row === null) {
      const { decoded } = await explorer.combine(split, { expression: operand, lane });
      return { x: decoded, name: term.label === null ? `mean of ${term.index.join(", ")}` : `mean of class ${term.label}` };
    }
    const looked = await explorer.samples(split, [row]);
    return { x: looked.x, name: sampleName(looked, 0, row, false) };
  });
  const name = answer?.name ?? (row === null ? operand : `sample ${row}`);
  const wide = Math.max(WIDEST, Math.ceil(Math.abs(term.weight)));
  return (
    <li class="item">
      <Sample info={info} samples={answer?.x ?? null} size="small" label={name} />
      <div>
        <Slider
          label={name} value={term.weight} low={-wide} high={wide} step={0.05}
          format={(value) => (value > 0 ? "+" : "") + fixed(value)} onInput={(value) => onWeight(Math.round(value * 100) / 100)}
        />
        {error !== null && <p class="hint wrong">{error}</p>}
      </div>
      <Button kind="quiet" label={`Remove ${name}`} onClick={onRemove}>×</Button>
    </li>
  );
}
