// Which runs are shown, and in which order: the conditions and rules of `narrows runs --filter` and `--sort`.
import type { RunRow } from "../../api/types";

type Value = string | number | null;
/** The parameters' defaults by model, as text; they are known once the form of the Train view is. */
export type Defaults = Record<string, Record<string, string>>;

const COMPARED: Record<string, (a: string | number, b: string | number) => boolean> = {
  "<=": (a, b) => a <= b, ">=": (a, b) => a >= b, "!=": (a, b) => a !== b, "=": (a, b) => a === b, "<": (a, b) => a < b, ">": (a, b) => a > b,
};
const VALUES: Record<string, (run: RunRow) => Value> = {
  name: (run) => run.name, status: (run) => run.status, model: (run) => run.model, data: (run) => run.data, started: (run) => run.started,
  epochs: (run) => run.epoch, seconds: (run) => run.seconds, error: (run) => run.error, pca: (run) => run.pca, elbo: (run) => run.elbo,
  kl: (run) => run.kl, parameters: (run) => run.parameters, latent_dim: (run) => run.latent_dim,
};

/** A run's value by name: one of the above, or a parameter of its model; undefined where there is none of that name. */
export function valueOf(run: RunRow, name: string, defaults: Defaults): Value | undefined {
  return VALUES[name]?.(run) ?? run.changed[name] ?? (name in VALUES ? null : defaults[run.model]?.[name]);
}

/** The runs that meet all conditions, and a sentence where one of them names nothing. */
export function filtered(runs: RunRow[], text: string, defaults: Defaults): { runs: RunRow[]; problem: string | null } {
  let left = runs;
  for (const condition of conditionsOf(text)) {
    const match = /^([\w-]+?)(<=|>=|!=|=|<|>)(.*)$/.exec(condition);
    if (match === null) {
      left = left.filter((run) => run.name.includes(condition));
      continue;
    }
    const [, written = "", sign = "", wanted = ""] = match;
    const name = written.replaceAll("-", "_");
    if (!(name in VALUES) && runs.length > 0 && !runs.some((run) => valueOf(run, name, defaults) !== undefined)) {
      const known = Object.keys(VALUES).join(", ");
      return { runs, problem: `filter must be by ${known} or a parameter; got ${written}.` };
    }
    if (wanted === "") continue; // still being typed
    left = left.filter((run) => meets(valueOf(run, name, defaults) ?? null, sign, wanted));
  }
  return { runs: left, problem: null };
}

function conditionsOf(text: string): string[] {
  return text.replace(/\s*(<=|>=|!=|=|<|>)\s*/g, "$1").split(/\s+/).filter(Boolean);
}

function meets(value: Value, sign: string, text: string): boolean {
  if (value === null) return sign === "!=";
  const left = numeric(value), right = numeric(text);
  const numbers = typeof left === "number" && typeof right === "number";
  return COMPARED[sign]!(numbers ? left : String(value), numbers ? right : text);
}

function numeric(value: string | number): string | number {
  if (typeof value === "number" || value.trim() === "") return value;
  const number = Number(value);
  return Number.isFinite(number) ? number : value;
}

/** In order of a value, "-error" from the highest; runs that lack it come last, whichever way. */
export function sorted(runs: RunRow[], by: string, defaults: Defaults): RunRow[] {
  const name = by.replace(/^-/, ""), sign = by.startsWith("-") ? -1 : 1;
  const values = new Map(runs.map((run) => [run, valueOf(run, name, defaults) ?? null]));
  return [...runs].sort((a, b) => {
    const left = values.get(a) ?? null, right = values.get(b) ?? null;
    if (left === null || right === null) return (left === null ? 1 : 0) - (right === null ? 1 : 0);
    return sign * order(numeric(left), numeric(right));
  });
}

function order(a: string | number, b: string | number): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}
