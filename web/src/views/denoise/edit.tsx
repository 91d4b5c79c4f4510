// A table's row, one field for each column: what the model makes of values that one enters.
import { useEffect, useState } from "preact/hooks";
import { columnsOf } from "../../draw/bars";
import type { Explorer, Samples } from "../../model/explorer";
import { Button } from "../../ui/controls";
import { complain } from "../../ui/toasts";

export function EditRow({ explorer, split, row, onEdit }: {
  explorer: Explorer; split: string; row: number; onEdit: (x: Samples | null) => void;
}) {
  const { info } = explorer;
  const [texts, setTexts] = useState<string[]>([]);
  const size = info.shape[0] ?? 0, columns = columnsOf(info, size);
  const give = (next: string[]) => {
    const data = Float32Array.from(next, (text) => (text.trim() === "" ? NaN : Number(text)));
    onEdit(next.length === size && data.every((value) => Number.isFinite(value)) ? { shape: [1, size], data } : null);
  };
  const start = () => {
    if (!(split in info.splits)) {
      const middle = columns.map(({ quantiles }) => String(quantiles[5] ?? 0));
      setTexts(middle);
      give(middle);
      return;
    }
    explorer.samples(split, [row]).then(({ x, reconstruction }) => {
      const values = Array.from(x.data, (value, i) => String(Number((Number.isNaN(value) ? reconstruction.data[i]! : value).toPrecision(6))));
      setTexts(values);
      give(values);
    }, complain);
  };
  useEffect(start, [split, row]);
  return (
    <div class="edit">
      <div class="spread">
        <p class="small faint">Begins with sample {row}.</p>
        <Button kind="quiet" onClick={start}>Begin again</Button>
      </div>
      <div class="edit-fields" tabIndex={0} role="group" aria-label="Values">
        {texts.map((text, i) => {
          const wrong = text.trim() === "" || !Number.isFinite(Number(text));
          return (
            <label key={i} class="edit-field">
              <span title={columns[i]?.name}>{columns[i]?.name}</span>
              <input
                type="text" inputMode="decimal" value={text} aria-invalid={wrong} autocomplete="off"
                onInput={(event) => {
                  const next = texts.map((old, j) => (i === j ? event.currentTarget.value : old));
                  setTexts(next);
                  give(next);
                }}
              />
            </label>
          );
        })}
      </div>
    </div>
  );
}
