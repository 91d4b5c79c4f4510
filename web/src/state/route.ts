// Where one is, in the address: #/view/run?name=value, so that a view can be bookmarked and shared.
import { useEffect, useState } from "preact/hooks";

export interface Route {
  view: string;
  run: string | null;
  params: URLSearchParams;
}

export function parse(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [view = "", run] = path.split("/");
  return { view: view || "runs", run: run ? decode(run) : null, params: new URLSearchParams(query) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a mistyped address
  }
}

export function format({ view, run, params }: Route): string {
  const query = params.toString();
  return `#/${view}${run === null ? "" : `/${encodeURIComponent(run)}`}${query && `?${query}`}`;
}

const listeners = new Set<() => void>();
let base: Route | null = null;

/** In a notebook or an exported page the address is not ours: the state is kept in memory. */
export function keepInMemory(route: Route): void {
  base = route;
}

export function current(): Route {
  return base ?? parse(location.hash);
}

/** Go to a view; `replace` for changes within a view, which are no steps of the browser's history. */
export function go(route: Route, replace = false): void {
  if (base !== null) base = route;
  else if (replace) history.replaceState(null, "", format(route));
  else history.pushState(null, "", format(route));
  for (const listener of [...listeners]) listener();
}

export function useRoute(): Route {
  const [, redraw] = useState(0);
  useEffect(() => {
    const listener = () => redraw((n) => n + 1);
    listeners.add(listener);
    window.addEventListener("hashchange", listener);
    window.addEventListener("popstate", listener);
    return () => {
      listeners.delete(listener);
      window.removeEventListener("hashchange", listener);
      window.removeEventListener("popstate", listener);
    };
  }, []);
  return current();
}

/** A value of the view in the address; the default is left out of it. */
export function useParam(name: string, fallback: string): [string, (value: string) => void] {
  const route = useRoute();
  const value = route.params.get(name) ?? fallback;
  return [value, (next) => setParams({ [name]: next === fallback ? null : next })];
}

/** Change several values of the view at once; null takes one out. */
export function setParams(changes: Record<string, string | null>): void {
  const { view, run, params } = current();
  const next = new URLSearchParams(params);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) next.delete(name);
    else next.set(name, value);
  }
  go({ view, run, params: next }, true);
}

export function useNumber(name: string, fallback: number): [number, (value: number) => void] {
  const [text, set] = useParam(name, String(fallback));
  const value = Number(text);
  return [Number.isFinite(value) ? value : fallback, (next) => set(String(next))];
}
