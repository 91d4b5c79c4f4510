// What the view shows, as the address holds it, so that it can be kept and shared.
import { useParam } from "../../state/route";
import type { ModelInfo } from "../../api/types";
import type { Tool } from "./gestures";

export type MapName = "dims" | "pca" | "tsne" | "umap";
export const MAPS: Record<MapName, string> = { dims: "Two dimensions", pca: "PCA", tsne: "t-SNE", umap: "UMAP" };

/** The maps that the model has. */
export function mapsOf(info: ModelInfo): MapName[] {
  return (Object.keys(MAPS) as MapName[]).filter((map) => info.maps.includes(map));
}

/** The dimension of the address, or the most used one that is not taken. */
export function dimensionOf(text: string, info: ModelInfo, taken: number): number {
  const asked = Number(text);
  if (text !== "" && Number.isInteger(asked) && asked >= 0 && asked < info.latent_dim) return asked;
  return info.dims_by_usage.find((dim) => dim !== taken) ?? 0;
}

/** The map as the server names it; of a model with one dimension its own twice. */
export function mapOf(name: MapName, x: number, y: number): string {
  return name === "dims" ? `dims:${x},${y}` : name;
}

export function toolOf(text: string, drag: boolean): Tool {
  if (text === "pan" || text === "select") return text;
  return drag ? "decode" : "pan";
}

export function numberOf(text: string): number | null {
  return /^\d+$/.test(text) ? Number(text) : null;
}

export function useView() {
  const [split, setSplit] = useParam("split", "");
  const [map, setMap] = useParam("map", "");
  const [x, setX] = useParam("x", "");
  const [y, setY] = useParam("y", "");
  const [colour, setColour] = useParam("colour", "label");
  const [only, setOnly] = useParam("only", "");
  const [query, setQuery] = useParam("find", "");
  const [tool, setTool] = useParam("tool", "decode");
  const [pin, setPin] = useParam("pin", "");
  const [a, setA] = useParam("a", "");
  const [b, setB] = useParam("b", "");
  const [tab, setTab] = useParam("panel", "dimensions");
  return {
    split, setSplit, map, setMap, x, setX, y, setY, colour, setColour, only, setOnly, query, setQuery, tool, setTool,
    pin, setPin, a, setA, b, setB, tab, setTab,
  };
}
