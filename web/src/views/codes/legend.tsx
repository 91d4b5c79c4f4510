// What the colours mean: a name per class, which shows this class alone when chosen, or a bar with its ends and unit.
import { number, whole } from "../../ui/numbers";
import { css, MOST_CLASSES, STEPS, type Category, type Painting, type Rgb } from "./colours";

export function ClassLegend(
  { categories, colours, only, choose }: { categories: Category[]; colours: Rgb[]; only: string; choose: (value: string) => void },
) {
  const named = categories.length > MOST_CLASSES ? categories.slice(0, MOST_CLASSES - 1) : categories;
  const others = categories.length - named.length;
  return (
    <div class="codes-legend" role="group" aria-label="Labels: choose one to show it alone">
      {named.map(({ value, name, count }, i) => (
        <button
          key={value} type="button" class="codes-class" aria-pressed={only === String(value)} title={`${name}: ${whole(count)} codes`}
          onClick={() => choose(only === String(value) ? "" : String(value))}
        >
          <span class="dot" style={{ background: css(colours[i]!) }} aria-hidden="true" />
          <span class="text">{name}</span>
        </button>
      ))}
      {others > 0 && <span class="codes-class"><span class="dot" style={{ background: css(colours.at(-1)!) }} aria-hidden="true" />{others} others</span>}
    </div>
  );
}

export function ScaleLegend({ painting, what, unit }: { painting: Painting & { kind: "scale" }; what: string; unit: string }) {
  const stops = Array.from({ length: 9 }, (_, i) => {
    const at = 3 * Math.round((i / 8) * (STEPS - 1));
    return css([painting.scale[at]!, painting.scale[at + 1]!, painting.scale[at + 2]!]);
  });
  const [low, high] = painting.range;
  return (
    <div class="codes-scale">
      <span>{what}{unit !== "" && <span class="faint">, {unit}</span>}</span>
      <span class="number">≤ {number(low)}</span>
      <span class="ramp" style={{ background: `linear-gradient(to right, ${stops.join(", ")})` }} aria-hidden="true" />
      <span class="number">≥ {number(high)}</span>
    </div>
  );
}
