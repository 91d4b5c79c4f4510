import { describe, expect, it } from "vitest";
import type { RunRow } from "../src/api/types";
import { merged } from "../src/state/runs";
import { filtered, sorted } from "../src/views/runs/filter";
import { between, namesAs, namesIn, windowOf } from "../src/views/runs/window";

function row(name: string, values: Partial<RunRow> = {}): RunRow {
  return {
    name, status: "finished", model: "vae", data: "digits", started: "2026-11-30T10:00:00Z", epoch: 5, epochs: 5, seconds: 2, left: null,
    loss: [], error: null, pca: null, elbo: null, kl: null, split: null, parameters: 10, latent_dim: 2, resumable: false, failure: "", note: "",
    changed: {}, ...values,
  };
}

const RUNS = [
  row("a1", { error: 12, changed: { beta: "4" } }), row("b10", { error: 9.5, model: "ae" }), row("c2", { status: "running" }),
];
const DEFAULTS = { vae: { beta: "1", network: "auto" }, ae: { network: "auto" } };
const names = (runs: RunRow[]) => runs.map(({ name }) => name).join(" ");
const shown = (text: string) => names(filtered(RUNS, text, DEFAULTS).runs);

describe("conditions", () => {
  it("are those of the command line", () => {
    expect(["", "model=vae", "error<10", "error >= 9.5 model!=ae", "1", "model = vae a", "latent-dim=2", "beta=1", "network=auto"].map(shown)).toEqual(
      ["a1 b10 c2", "a1 c2", "b10", "a1", "a1 b10", "a1", "a1 b10 c2", "c2", "a1 b10 c2"],
    );
  });
  it("of no known name are said, and leave all runs", () => {
    const { runs, problem } = filtered(RUNS, "eror<10", DEFAULTS);
    expect([names(runs), problem?.includes("got eror")]).toEqual(["a1 b10 c2", true]);
  });
  it("that are half typed hide nothing", () => expect(shown("error<")).toBe("a1 b10 c2"));
  it("on a value that a run lacks are met by != alone", () => expect([shown("error!=12"), shown("error<100")]).toEqual(["b10 c2", "a1 b10"]));
});

it("sorts numbers as numbers, and what lacks the value last both ways", () => {
  expect([names(sorted(RUNS, "error", DEFAULTS)), names(sorted(RUNS, "-error", DEFAULTS)), names(sorted(RUNS, "-name", DEFAULTS))]).toEqual(
    ["b10 a1 c2", "a1 b10 c2", "c2 b10 a1"],
  );
});

it("puts changed rows in their place and drops those that are gone", () => {
  const late = row("d", { started: "2026-11-30T11:00:00Z" });
  expect(names(merged(RUNS, [late, row("a1", { error: 1 })], ["b10"]))).toBe("d c2 a1");
});

it("keeps the rows that are seen", () => {
  expect(windowOf(200, 800, 50, 1000, 0)).toEqual({ from: 0, to: 12 });
  expect(windowOf(-5000, 800, 50, 1000, 2)).toEqual({ from: 98, to: 118 });
  expect(windowOf(-90000, 800, 50, 1000)).toEqual({ from: 1000, to: 1000 });
});

it("selects a range, and writes any names into the address", () => {
  expect(between(["a", "b", "c", "d"], "d", "b")).toEqual(["b", "c", "d"]);
  expect(between(["a"], "gone", "a")).toEqual(["a"]);
  expect(namesIn(namesAs(["a,b", "é %", "c"]))).toEqual(["a,b", "é %", "c"]);
});
