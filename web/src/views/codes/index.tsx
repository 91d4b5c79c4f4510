// The codes of all samples in a plane: look at them, point, select, and decode what lies anywhere between them.
import { useCallback, useEffect, useMemo, useState } from "preact/hooks";
import type { Explorer } from "../../model/explorer";
import { useExplorer } from "../../model/use";
import { useRoute } from "../../state/route";
import { Segmented } from "../../ui/controls";
import { Absent, Notice } from "../../ui/notice";
import { whole } from "../../ui/numbers";
import { complain } from "../../ui/toasts";
import { Cell } from "./cell";
import "./codes.css";
import { Controls, Tools } from "./controls";
import { aligned, lifted, useCodes, useSample, useShelf, useValues } from "./data";
import { Decoded } from "./decoded";
import { decodeAt, Hand } from "./decoding";
import { useMarks, usePicking, usePictures, usePoints, useRows } from "./drawing";
import { ClassLegend, ScaleLegend } from "./legend";
import { useColours } from "./painting";
import { PathPanel } from "./path";
import type { Plane } from "./plane";
import { PointedCard } from "./pointed";
import { Scan } from "./scan";
import { Scatter, type Wishes } from "./scatter";
import { Selected } from "./selected";
import { within } from "./selection";
import { Sliders } from "./sliders";
import { dimensionOf, mapOf, mapsOf, numberOf, toolOf, useView, type MapName } from "./state";

export function CodesView() {
  const explorer = useExplorer();
  const why = explorer.info.absent["codes"];
  return why === undefined ? <CodesOf explorer={explorer} /> : <Absent what="Codes" why={why} />;
}

function CodesOf({ explorer }: { explorer: Explorer }) {
  const { info } = explorer;
  const view = useView(), one = info.latent_dim === 1 && info.code.continuous;
  const split = view.split in info.splits ? view.split : info.default_split;
  const maps = mapsOf(info), asked = view.map as MapName;
  const map: MapName = one ? "dims" : maps.includes(asked) ? asked : maps[0] ?? "dims";
  const x = dimensionOf(view.x, info, -1), y = one ? 0 : dimensionOf(view.y, info, x);
  const height = view.y === "density" ? "density" : "error";
  const places = useCodes(explorer, split, mapOf(map, x, y)), told = useValues(explorer, split);
  const values = useMemo(
    () => (told.value === null || places.value === null ? null : aligned(told.value, places.value.rows)), [told.value, places.value],
  );
  const codes = useMemo(
    () => (one && places.value !== null ? lifted(places.value, height, values) : places.value), [places.value, one, height, one && values],
  );
  useEffect(() => { if (told.error !== "") complain(new Error(told.error)); }, [told.error]);

  const drag = info.code.continuous && info.absent["drag"] === undefined;
  const [plane, setPlane] = useState<Plane | null>(null);
  const [members, setMembers] = useState<Int32Array | null>(null);
  useEffect(() => setMembers(null), [split]);
  const shelf = useShelf(explorer, split);
  const hand = useMemo(() => new Hand(explorer, split, complain), [explorer, split]);
  const pointed = useMemo(() => new Cell(-1), [codes?.rows]);
  const at = (row: number | null) => (row === null || codes === null ? -1 : codes.rows.indexOf(row));
  const pin = numberOf(view.pin), a = numberOf(view.a), b = numberOf(view.b);
  const pinned = at(pin);

  const axes = map === "dims" || map === "pca"; // the values of other maps mean nothing
  usePoints(plane, codes, one, axes);
  const { painting, categories, classes, colouring, unit, found } = useColours(plane, codes, values, view.colour, view.only, view.query, members);
  usePictures(plane, explorer, split, codes, useRows(info.splits[split] ?? 0, told.value));
  const picking = usePicking(plane, codes);
  const [path, setPath] = useState<Float32Array | null>(null);
  useMarks(plane, codes, hand, pointed, pinned, at(a), at(b), path);

  const sample = useSample(shelf, pinned < 0 ? null : pin, 0);
  const base = sample !== null && sample.row === pin && codes !== null
    ? { z: sample.looked.z, x: codes.points[2 * pinned]!, y: codes.points[2 * pinned + 1]! } : null;
  const centre = useMemo(() => Float32Array.from(info.dims, (dim) => dim.centre), [info]);
  useEffect(() => { if (drag) hand.move(base?.z ?? centre); }, [hand, drag, base?.z]);

  const scratch = useMemo(() => new Float32Array(info.latent_dim), [info]);
  const [spoken, setSpoken] = useState("");
  const rowOf = (point: number) => String(codes?.rows[point] ?? "");
  const setPin = (point: number) => view.setPin(point < 0 || point === pinned ? "" : rowOf(point));
  const mark = (end: "a" | "b", point: number) => {
    if (!drag) return;
    (end === "a" ? view.setA : view.setB)(rowOf(point));
    view.setTab("path");
  };
  const wishes: Wishes = {
    tool: toolOf(view.tool, drag), picking, pointed,
    point(next, how) {
      pointed.value = next;
      if (how === "keys") setSpoken(describe(next));
    },
    pin: (point) => { if (point >= 0) setPin(point); },
    mark,
    decode(px, py, stamp) { if (codes !== null) decodeAt(hand, codes, picking, base, px, py, scratch, stamp); },
    select(polygon) { if (codes !== null && plane !== null) setMembers(within(codes.points, polygon, plane.meant)); },
    clear() {
      if (members !== null) setMembers(null);
      else if (view.only !== "" || view.query !== "") { view.setOnly(""); view.setQuery(""); }
      else view.setPin("");
    },
  };
  const describe = (point: number) => {
    if (point < 0 || codes === null) return "";
    const label = values?.labels?.[point];
    const name = label === undefined ? "" : `, ${values?.labelNames?.[label] ?? label}`;
    return `Sample ${values?.ids?.[point] ?? rowOf(point)}${name}`;
  };
  const onPlane = useCallback(setPlane, []);
  const route = useRoute();
  const force = route.params.get("renderer") ?? new URLSearchParams(typeof location === "undefined" ? "" : location.search).get("renderer") ?? "";
  const n = codes?.rows.length ?? 0, total = info.splits[split] ?? n;
  return (
    <>
      <div class="head">
        <h1>Codes</h1>
        <span class="faint">{info.model}, {info.latent_dim} {one ? "dimension" : "dimensions"}{n > 0 && <> · {whole(n)}{n < total && ` of ${whole(total)}`} samples{Object.keys(info.splits).length > 1 && ` of ${split}`}</>}</span>
      </div>
      <Controls {...{ info, view, split, map, x, y, values, colouring }} found={found?.length ?? null} />
      <div class="codes-body">
        <section class="card codes-stage" aria-label="Plane of the codes">
          <div class="codes-top"><Tools tool={wishes.tool} drag={drag} choose={view.setTool} /></div>
          <Scatter
            {...{ info, force, wishes, onPlane, spoken }} lens={hand.onPicture}
            name={`${whole(n)} codes in a plane: ${codes?.names.join(" and ") ?? "loading"}`}
          />
          {codes !== null && axes && <span class="codes-axis x" aria-hidden="true">{codes.names[0]}</span>}
          {codes !== null && axes && <span class="codes-axis y" aria-hidden="true">{codes.names[1]}</span>}
          <div class="codes-key">
            {painting.kind === "classes" && <ClassLegend categories={categories ?? []} colours={classes} only={view.only} choose={view.setOnly} />}
            {painting.kind === "scale" && <ScaleLegend painting={painting} what={colouring === "label" ? "label" : colouring} unit={unit} />}
          </div>
          {codes === null && (
            <div class="codes-cover">
              {places.error === ""
                ? <Notice kind="loading" title={places.progress === "" ? "Encoding the samples" : "Computing the map"}>{places.progress || undefined}</Notice>
                : <Notice kind="error" title="No codes" action={{ label: "Try again", run: places.retry }}>{places.error}</Notice>}
            </div>
          )}
          {codes !== null && n === 0 && <div class="codes-cover"><Notice kind="empty" title="No samples">This part of the data is empty.</Notice></div>}
        </section>
        <div class="codes-panel stack">
          {members !== null && codes !== null && (
            <Selected
              {...{ info, explorer, split, members }} rows={codes.rows} labels={values?.labels instanceof Int32Array ? values.labels : null}
              nameOf={(label) => categories?.find(({ value }) => value === label)?.name ?? String(label)} clear={() => setMembers(null)} pin={setPin}
            />
          )}
          {codes !== null && <PointedCard {...{ info, shelf, pointed, pinned }} mark={drag ? mark : undefined} rows={codes.rows} errorUnit={values?.errorUnit ?? ""} pin={(point) => (point < 0 ? view.setPin("") : setPin(point))} />}
          {drag ? <Decoded info={info} hand={hand} label={base === null ? null : sample?.looked.labels[0] ?? null} hint={hintOf(map, base !== null, one)} /> : <section class="card"><p class="hint">{info.absent["drag"] ?? "Codes of this model are indices: between two of them there is nothing to decode."}</p></section>}
          {drag && (
            <section class="card stack" aria-label="Latent dimensions">
              <Segmented
                label="Change the code by" value={view.tab} onChange={view.setTab}
                options={[{ value: "dimensions", label: "Dimensions" }, ...(one ? [] : [{ value: "scan", label: "Scan" }]), { value: "path", label: "Path" }]}
              />
              {view.tab === "scan" && !one ? <Scan {...{ info, explorer, hand }} first={x} second={y} />
                : view.tab === "path" ? <PathPanel {...{ info, explorer, split, hand, shelf, a, b }} onCodes={setPath} />
                : <Sliders info={info} hand={hand} base={base?.z ?? centre} pinned={base !== null} />}
            </section>
          )}
        </div>
      </div>
    </>
  );
}

function hintOf(map: MapName, pinned: boolean, one: boolean): string {
  if (one) return "Drag in the plane from left to right.";
  if (map === "tsne" || map === "umap") return "Drag in the plane: this map has no inverse, so what is shown is the weighted mean of the eight nearest codes, decoded.";
  const others = pinned ? "the pinned sample" : "the centre";
  return map === "pca" ? `Drag in the plane: a place is a code on the plane of the two components through ${others}.`
    : `Drag in the plane: it sets two dimensions, the others are those of ${others}.`;
}

