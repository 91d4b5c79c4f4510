// The path between two samples' codes: nine steps as a strip, and a slider that goes along it.
import { useEffect, useRef, useState } from "preact/hooks";
import type { ModelInfo } from "../../api/types";
import { isSuperseded, type Explorer } from "../../model/explorer";
import { Sample } from "../../draw/sample";
import { Segmented, Slider } from "../../ui/controls";
import { fixed } from "../../ui/numbers";
import { complain } from "../../ui/toasts";
import { useSample, type Shelf } from "./data";
import type { Hand } from "./decoding";
import { drawGrid } from "./tile";

const STEPS = 9;
const UNIT = 110;
type Way = "linear" | "spherical";

export function PathPanel(
  { info, explorer, split, hand, shelf, a, b, onCodes }: {
    info: ModelInfo; explorer: Explorer; split: string; hand: Hand; shelf: Shelf; a: number | null; b: number | null;
    /** The codes along the path, (n, k), to be drawn in the plane. */
    onCodes: (z: Float32Array | null) => void;
  },
) {
  const strip = useRef<HTMLCanvasElement>(null);
  const [way, setWay] = useState<Way>("linear");
  const [t, setT] = useState(0.5);
  const one = useSample(shelf, a, 0), two = useSample(shelf, b, 0);
  const go = explorer.interpolate;
  const ready = go !== undefined && a !== null && b !== null;
  const failed = (error: unknown) => { if (!isSuperseded(error)) complain(error); };

  useEffect(() => {
    if (!ready) return onCodes(null);
    let current = true;
    const along = Array.from({ length: STEPS }, (_, i) => i / (STEPS - 1));
    go(split, a, b, along, way, "strip").then(({ x, z }) => {
      if (!current) return;
      if (strip.current !== null) drawGrid(strip.current, info, x, STEPS, UNIT);
      onCodes(z);
    }, failed);
    return () => { current = false; };
  }, [explorer, split, a, b, way, ready]);
  useEffect(() => () => onCodes(null), []);

  const move = (next: number, stamp = performance.now()) => {
    setT(next);
    if (ready) go(split, a, b, [next], way, "path").then(({ x, z }) => hand.show(z, x, stamp), failed);
  };
  const end = (name: string, shown: typeof one) => (
    <figure>
      <Sample info={info} samples={shown?.looked.x ?? null} size="small" label={`Sample ${name}`} />
      <figcaption>{name}{shown !== null && <>: {shown.looked.labels[0] ?? `#${shown.looked.ids[0] ?? ""}`}</>}</figcaption>
    </figure>
  );
  if (go === undefined) return <p class="hint">The path between two samples needs the server: open this model with <code>narrows open</code>.</p>;
  return (
    <div class="stack">
      <div class="codes-ends">{end("A", one)}{end("B", two)}</div>
      {!ready && <p class="hint">Point at a code and press A or B, or use the buttons of the sample above, to choose the ends.</p>}
      {ready && (
        <>
          <Segmented
            label="Way" value={way} onChange={(value) => setWay(value as Way)}
            options={[{ value: "linear", label: "Linear" }, { value: "spherical", label: "Spherical" }]}
          />
          <canvas
            ref={strip} class={`codes-film ${info.kind === "image" ? "sample image" : "sample"}`} role="img" aria-label="Nine steps from A to B, decoded"
            onClick={(event) => {
              const box = event.currentTarget.getBoundingClientRect();
              move(Math.floor(((event.clientX - box.left) / box.width) * STEPS) / (STEPS - 1), event.timeStamp);
            }}
          />
          <Slider label="From A to B" value={t} low={0} high={1} step={0.005} format={(v) => fixed(v)} onInput={(v) => move(v)} />
        </>
      )}
    </div>
  );
}
