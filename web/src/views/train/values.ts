// The values of the form: which are sent, how components are written, and what is wrong with a value at once.
import type { Form, FormField } from "../../api/types";

/** The fields that are seen before one unfolds the others. */
export const FIRST = ["latent_dim", "network", "likelihood", "epochs", "learning_rate", "seed"];

/** A component as text, `name:key=value,key=value`, taken apart; the first value may lack its key. */
export interface Parts {
  name: string;
  values: Record<string, string>;
}

export function partsOf(text: string, options: FormField["options"]): Parts {
  const colon = text.indexOf(":");
  if (colon < 0) return { name: text, values: {} };
  const name = text.slice(0, colon);
  const first = options.find((option) => option.name === name)?.fields[0]?.name ?? "";
  const values: Record<string, string> = {};
  for (const part of text.slice(colon + 1).split(",")) {
    const equals = part.indexOf("=");
    if (equals >= 0) values[part.slice(0, equals).trim()] = part.slice(equals + 1).trim();
    else if (first in values) values[first] += `x${part.trim()}`; // several numbers of the first field
    else values[first] = part.trim();
  }
  return { name, values };
}

/** The text of a component; fields left at their defaults are left out. */
export function textOf({ name, values }: Parts, options: FormField["options"]): string {
  const fields = options.find((option) => option.name === name)?.fields ?? [];
  const parts = fields.flatMap((field) => {
    const text = (values[field.name] ?? "").trim();
    return text === "" || text === field.default ? [] : [`${field.name}=${text.replace(/\s*,\s*/g, "x")}`];
  });
  return parts.length > 0 ? `${name}:${parts.join(",")}` : name;
}

/** What is wrong with a value, as a sentence; undefined where nothing is, or only the server can tell. */
export function problemWith(field: FormField, text: string): string | undefined {
  const value = text.trim();
  if (value === "" || value === field.default) return undefined;
  if (field.type === "choice" && field.choices !== null && !field.choices.includes(value)) {
    return `${field.name} must be one of ${field.choices.join(", ")}; got ${value}.`;
  }
  if (field.type === "component") {
    const { name, values } = partsOf(value, field.options);
    const option = field.options.find((one) => one.name === name);
    for (const inner of option?.fields ?? []) {
      const problem = problemWith(inner, values[inner.name] ?? "");
      if (problem !== undefined) return problem;
    }
    return undefined;
  }
  if (field.type !== "number" && field.type !== "whole") return undefined;
  if (/^[a-z]/i.test(value)) { // auto, none, learned: words beside numbers
    const words = [...(field.choices ?? []), ...(/^[a-z]/i.test(field.default) ? [field.default] : [])];
    return words.includes(value) || words.length > 0 && field.choices === null ? undefined : `${field.name} must be ${wanted(field)}; got ${value}.`;
  }
  const number = Number(value);
  const fits = Number.isFinite(number) && (field.type === "number" || Number.isInteger(number)) &&
    (field.low === null || number >= field.low) && (field.high === null || number <= field.high);
  return fits ? undefined : `${field.name} must be ${wanted(field)}; got ${value}.`;
}

function wanted({ type, low, high }: FormField): string {
  const kind = type === "whole" ? "a whole number" : "a number";
  if (low !== null && high !== null) return `${kind} from ${low} to ${high}`;
  if (low !== null) return `${kind}, at least ${low}`;
  return high === null ? kind : `${kind}, at most ${high}`;
}

export interface Request {
  model: string;
  data: string;
  data_options: Record<string, string>;
  parameters: Record<string, string>;
  name?: string;
}

/** What is sent: values at their defaults are not. */
export function requestOf(
  form: Form, { model, data, options, name, values }: { model: string; data: string; options: string; name: string; values: Record<string, string> },
): Request {
  const fields = form.models.find((one) => one.name === model)?.fields ?? [];
  const parameters: Record<string, string> = {};
  for (const field of fields) {
    const text = values[field.name]?.trim() ?? "";
    if (text !== "" && text !== field.default) parameters[field.name] = text;
  }
  return { model, data, data_options: optionsOf(options), parameters, ...(name.trim() === "" ? {} : { name: name.trim() }) };
}

/** "label=quality samples=500" */
export function optionsOf(text: string): Record<string, string> {
  const pairs = text.trim().split(/\s+/).filter((part) => part.includes("="));
  return Object.fromEntries(pairs.map((part) => [part.slice(0, part.indexOf("=")), part.slice(part.indexOf("=") + 1)]));
}

/** The field that a sentence of the server is about: `VAE: latent_dim must be ...` or `... --latent-dim ...`. */
export function fieldIn(sentence: string, fields: string[]): string | null {
  const named = /^[\w ]+: ([\w.-]+)/.exec(sentence)?.[1]?.replaceAll("-", "_").split(".")[0];
  if (named === "name_or_path") return "data"; // as load_dataset calls it
  if (named !== undefined && fields.includes(named)) return named;
  const flag = /--([\w-]+)/.exec(sentence)?.[1]?.replaceAll("-", "_");
  return flag !== undefined && fields.includes(flag) ? flag : null;
}
