// What the plane shows and what dragging in it does.
import type { ModelInfo } from "../../api/types";
import type { Values } from "../../model/explorer";
import { setParams } from "../../state/route";
import { Segmented, Select, TextField } from "../../ui/controls";
import { whole } from "../../ui/numbers";
import type { Tool } from "./gestures";
import { MAPS, mapsOf, type MapName, type useView } from "./state";

export type Colouring = "label" | "error" | "score" | "none";

/** What points can be coloured by. */
export function colouringsOf(values: Values | null): { value: Colouring; label: string }[] {
  if (values === null) return [{ value: "none", label: "–" }];
  const some = (numbers: Float32Array) => numbers.length > 0 && numbers.some((v) => Number.isFinite(v));
  const all: { value: Colouring; label: string; there: boolean }[] = [
    { value: "label", label: "Label", there: values.labels !== null },
    { value: "error", label: "Error", there: some(values.error) },
    { value: "score", label: "Score", there: some(values.score) },
  ];
  const there = all.filter((each) => each.there);
  return there.length > 0 ? there : [{ value: "none", label: "–" }];
}

/** Two digits that count. */
function brief(value: number): string {
  return value >= 10 ? value.toFixed(0) : value.toPrecision(2);
}

/** What dragging with the mouse does. */
export function Tools({ tool, drag, choose }: { tool: Tool; drag: boolean; choose: (tool: string) => void }) {
  return (
    <Segmented
      label="Dragging" value={tool} onChange={choose}
      options={[
        ...(drag ? [{ value: "decode", label: "Decode" }] : []), { value: "pan", label: "Move" }, { value: "select", label: "Select" },
      ]}
    />
  );
}

export function Controls(
  { info, view, split, map, x, y, values, colouring, found }: {
    info: ModelInfo; view: ReturnType<typeof useView>; split: string; map: MapName; x: number; y: number; values: Values | null;
    colouring: Colouring; found: number | null;
  },
) {
  const dims = info.dims_by_usage.map((dim) => {
    const { name, usage } = info.dims[dim]!;
    return { value: String(dim), label: `${name} · ${brief(usage)} ${info.usage_unit}` };
  });
  const one = info.latent_dim === 1, splits = Object.entries(info.splits);
  // Another map or axis is another plane: the part that was seen means nothing in it.
  const change = (changes: Record<string, string>) => setParams({ ...changes, window: null });
  return (
    <div class="codes-controls">
      {!one && <Select label="Map" value={map} options={mapsOf(info).map((name) => ({ value: name, label: MAPS[name] }))} onChange={(value) => change({ map: value })} />}
      {map === "dims" && !one && (
        <div class="codes-axes">
          <Select label="x" value={String(x)} options={dims} onChange={(value) => change({ x: value, y: String(value === String(y) ? x : y) })} />
          <Select label="y" value={String(y)} options={dims} onChange={(value) => change({ y: value, x: String(value === String(x) ? y : x) })} />
        </div>
      )}
      {one && (
        <Select
          label="Height" value={view.y === "density" ? "density" : "error"} onChange={(value) => change({ y: value })}
          options={[{ value: "error", label: "Reconstruction error" }, { value: "density", label: "Density of the codes" }]}
        />
      )}
      <Select label="Colour" value={colouring} options={colouringsOf(values)} onChange={(value) => setParams({ colour: value, only: null })} />
      {splits.length > 1 && (
        <Select
          label="Data" value={split} options={splits.map(([name, n]) => ({ value: name, label: `${name} · ${whole(n)}` }))}
          onChange={(value) => setParams({ split: value, window: null, pin: null, a: null, b: null, only: null })}
        />
      )}
      <TextField
        label={found === null ? "Find" : `Find: ${whole(found)} found`} type="search" value={view.query} onInput={view.setQuery} placeholder="label or id"
        list={values?.labelNames ?? undefined}
      />
    </div>
  );
}
