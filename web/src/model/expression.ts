// Sums such as `3 - 7 + 0.5*mean(1,2,5) + class:Bush`, as `narrows combine` takes them: src/narrows/analyses/expression.py.

export interface Term {
  weight: number;
  /** Of samples; several stand for their mean. Empty for a class. */
  index: number[];
  label: string | null;
}

const TOKEN =
  /\s*(?:(?:class|digit|label):(?:"(?<double>[^"]*)"|'(?<single>[^']*)'|(?<bare>[\p{L}\p{N}_.]+))|(?<number>\d+\.\d*|\.\d+|\d+)|(?<mean>mean)(?![\p{L}\p{N}_:])|(?<sign>[-+*(),−]))/uy;
const LARGEST = 1e6;

interface Token {
  kind: "label" | "number" | "mean" | "sign" | "end";
  text: string;
  at: number;
}

function tokens(text: string): Token[] {
  const found: Token[] = [];
  let at = 0;
  while (text.slice(at).trim() !== "") {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    if (match === null) {
      const start = at + text.slice(at).search(/\S/);
      throw wrong(start, `a sign, a number, mean(...) or class:NAME; got '${text[start]}'`);
    }
    const { double, single, bare, number, mean, sign } = match.groups ?? {};
    const label = double ?? single ?? bare;
    const start = at + match[0].search(/\S/);
    if (label !== undefined) found.push({ kind: "label", text: label, at: start });
    else if (number !== undefined) found.push({ kind: "number", text: number, at: start });
    else if (mean !== undefined) found.push({ kind: "mean", text: mean, at: start });
    else found.push({ kind: "sign", text: (sign ?? "").replace("−", "-"), at: start });
    at = TOKEN.lastIndex;
  }
  return [...found, { kind: "end", text: "", at: text.length }];
}

function wrong(at: number, expected: string): Error {
  return new Error(`Character ${at + 1} must be ${expected}.`);
}

/** The terms of a sum. Throws an error whose message names the position. */
export function parse(text: string): Term[] {
  const all = tokens(text);
  let position = 0;
  const next = () => all[position++]!;
  const take = (signs: string): string | null => {
    const token = all[position]!;
    if (token.kind !== "sign" || !signs.includes(token.text)) return null;
    position++;
    return token.text;
  };
  const refuse = (token: Token, expected: string) =>
    wrong(token.at, `${expected}; got ${token.kind === "end" ? "the end" : `'${token.text}'`}`);
  const index = (token: Token): number => {
    if (token.kind !== "number" || !/^\d+$/.test(token.text) || Number(token.text) > LARGEST) {
      throw refuse(token, `a sample's index, a whole number${token.kind === "number" ? " (a weight is written with *, as in 0.5*3)" : ""}`);
    }
    return Number(token.text);
  };
  const operand = (token: Token, weight: number): Term => {
    if (token.kind === "label") return { weight, index: [], label: token.text };
    if (token.kind === "number") return { weight, index: [index(token)], label: null };
    if (token.kind !== "mean") throw refuse(token, "a sample's index, mean(...) or class:NAME");
    if (take("(") === null) throw refuse(all[position]!, "(");
    const indices = [index(next())];
    while (take(",") !== null) indices.push(index(next()));
    if (take(")") === null) throw refuse(all[position]!, ")");
    return { weight, index: indices, label: null };
  };
  const term = (sign: number): Term => {
    const token = next();
    if (token.kind !== "number" || take("*") === null) return operand(token, sign);
    if (Number(token.text) > LARGEST) throw wrong(token.at, `a weight of at most 1,000,000; got ${token.text}`);
    return operand(next(), sign * Number(token.text));
  };
  const terms = [term(take("+-") === "-" ? -1 : 1)];
  while (all[position]!.kind !== "end") {
    const sign = take("+-");
    if (sign === null) throw refuse(all[position]!, "+ or -");
    terms.push(term(sign === "-" ? -1 : 1));
  }
  return terms;
}

/** What a term stands for, as it is written in a sum. */
export function operandText({ index, label }: Term): string {
  if (label !== null) {
    if (/^[\p{L}\p{N}_.]+$/u.test(label)) return `class:${label}`;
    return label.includes('"') ? `class:'${label}'` : `class:"${label}"`;
  }
  return index.length === 1 ? String(index[0]) : `mean(${index.join(",")})`;
}

/** What `parse` reads back. */
export function format(terms: Term[]): string {
  return terms.map((term, i) => {
    const size = Math.abs(term.weight);
    const weight = size === 1 ? "" : `${Number(size.toFixed(4))}*`;
    const sign = term.weight < 0 ? (i === 0 ? "-" : "- ") : i === 0 ? "" : "+ ";
    return `${sign}${weight}${operandText(term)}`;
  }).join(" ");
}
