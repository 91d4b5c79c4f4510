// The picture of the code at hand, drawn straight on its canvas.
import { useEffect, useRef, useState } from "preact/hooks";
import type { ModelInfo } from "../../api/types";
import type { Samples } from "../../model/explorer";
import { RowBars } from "../../draw/bars";
import { Select } from "../../ui/controls";
import type { Hand } from "./decoding";
import { extentOf, TilePen } from "./tile";

const UNIT = 420;
const READABLE = 120; // ms between two states of a table's bars

export function Decoded({ info, hand, hint, label }: { info: ModelInfo; hand: Hand; hint: string; label: string | null }) {
  return (
    <section class="card stack codes-decoded" aria-label="Decoded">
      <h2>Decoded</h2>
      <div class={`codes-shown ${info.kind}`}>
        {info.kind === "table" ? <Bars info={info} hand={hand} /> : <Picture info={info} hand={hand} />}
        <div class="stack">
          {info.condition !== null && <Condition hand={hand} names={info.condition} label={label} />}
          <p class="hint">{hint}</p>
        </div>
      </div>
    </section>
  );
}

function Picture({ info, hand }: { info: ModelInfo; hand: Hand }) {
  const ref = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const canvas = ref.current;
    if (canvas === null) return;
    let pen: TilePen | null = null;
    const draw = (x: Samples) => {
      const [width, height] = extentOf(info, x, UNIT);
      if (canvas.width !== width || canvas.height !== height) {
        canvas.width = width;
        canvas.height = height;
        pen = null;
      }
      pen ??= TilePen.on(canvas, info);
      pen?.draw(x, 0, 0, 0, width, height);
      canvas.classList.remove("waiting");
    };
    const restyle = () => {
      pen = null;
      if (hand.x !== null) draw(hand.x);
    };
    restyle();
    hand.onPicture.add(draw);
    window.addEventListener("narrows-theme", restyle);
    return () => {
      hand.onPicture.delete(draw);
      window.removeEventListener("narrows-theme", restyle);
    };
  }, [info, hand]);
  return <canvas ref={ref} class={`sample ${info.kind} large waiting`} role="img" aria-label="What the code at hand decodes to" />;
}

/** A row of a table is read, not watched: its bars follow a few times a second. */
function Bars({ info, hand }: { info: ModelInfo; hand: Hand }) {
  const [x, setX] = useState(hand.x);
  useEffect(() => {
    let timer = 0;
    const later = () => {
      timer ||= window.setTimeout(() => {
        timer = 0;
        setX(hand.x);
      }, READABLE);
    };
    setX(hand.x);
    hand.onPicture.add(later);
    return () => {
      clearTimeout(timer);
      hand.onPicture.delete(later);
    };
  }, [hand]);
  return <RowBars info={info} row={x} behind={null} label="What the code at hand decodes to" size="medium" />;
}

/** The label that a conditional model decodes with: at first that of the pinned sample. */
function Condition({ hand, names, label }: { hand: Hand; names: string[]; label: string | null }) {
  const [y, setY] = useState(0);
  useEffect(() => {
    if (label !== null && names.includes(label)) setY(names.indexOf(label));
  }, [label]);
  useEffect(() => {
    hand.y = y;
    hand.again();
  }, [hand, y]);
  return (
    <Select
      label="Label to decode with" value={String(y)} options={names.map((name, i) => ({ value: String(i), label: name }))}
      onChange={(value) => setY(Number(value))}
    />
  );
}
