import { describe, expect, it } from "vitest";
import type { Form, FormField } from "../src/api/types";
import { best, drawn } from "../src/views/compare/table";
import { fieldIn, optionsOf, partsOf, problemWith, requestOf, textOf } from "../src/views/train/values";

function field(name: string, type: FormField["type"], more: Partial<FormField> = {}): FormField {
  return { name, help: "", group: "model", type, default: "", low: null, high: null, choices: null, options: [], ...more };
}

const OPTIONS = [
  { name: "mlp", about: "", fields: [field("hidden", "text", { default: "400" }), field("activation", "choice", { default: "relu", choices: ["relu", "tanh"] })] },
  { name: "gaussian", about: "", fields: [field("std", "number", { default: "0.2", low: 0, high: 1 })] },
];

describe("a component", () => {
  it("is taken apart and written again", () => {
    const parts = partsOf("mlp:512,256,activation=tanh", OPTIONS);
    expect(parts).toEqual({ name: "mlp", values: { hidden: "512x256", activation: "tanh" } });
    expect(textOf(parts, OPTIONS)).toBe("mlp:hidden=512x256,activation=tanh");
    expect(textOf({ name: "mlp", values: { hidden: "400", activation: "" } }, OPTIONS)).toBe("mlp");
    expect(textOf({ name: "mlp", values: { hidden: "64, 32" } }, OPTIONS)).toBe("mlp:hidden=64x32");
  });
});

describe("a value", () => {
  const whole = field("epochs", "whole", { default: "auto", low: 1, high: 100 });
  it("is checked by its bounds, in a sentence", () => {
    expect(problemWith(whole, "0")).toBe("epochs must be a whole number from 1 to 100; got 0.");
    expect(problemWith(whole, "2.5")).toContain("whole number");
    expect(["", "auto", "7"].map((text) => problemWith(whole, text))).toEqual([undefined, undefined, undefined]);
  });
  it("that is a word where only numbers fit is refused", () => {
    expect(problemWith(field("beta", "number", { default: "1", low: 0 }), "x")).toBe("beta must be a number, at least 0; got x.");
  });
  it("inside a component is checked too", () => {
    const corruption = field("corruption", "component", { default: "none", options: OPTIONS });
    expect([problemWith(corruption, "gaussian:3"), problemWith(corruption, "gaussian:0.5")]).toEqual(["std must be a number from 0 to 1; got 3.", undefined]);
  });
});

it("sends what differs from the defaults alone", () => {
  const form: Form = { models: [{ name: "vae", about: "", fields: [field("beta", "number", { default: "1" }), field("seed", "whole", { default: "0" })] }], presets: [] };
  const request = requestOf(form, { model: "vae", data: "digits", options: "label=a  x", name: " ", values: { beta: "1", seed: " 3 ", left: "7" } });
  expect(request).toEqual({ model: "vae", data: "digits", data_options: { label: "a" }, parameters: { seed: "3" } });
  expect(optionsOf("a=b=c d")).toEqual({ a: "b=c" });
});

it("finds the field that a sentence is about", () => {
  const names = ["latent_dim", "beta", "data"];
  expect(["VAE: latent_dim must be at least 1; got 0.", "train: --latent-dim must be a number", "VAE: X must be 2-d", "Unknown.", "load_dataset: name_or_path must be one of"]
    .map((text) => fieldIn(text, names))).toEqual(["latent_dim", "latent_dim", null, null, "data"]);
});

it("marks the best of a measure, and none where all are alike", () => {
  const rows = [{ run: "a", values: { e: 2, s: 1 } }, { run: "b", values: { e: 3, s: 1 } }, { run: "c", values: { e: null } }];
  expect([[...best({ rows }, "e", true)], [...best({ rows }, "e", false)], [...best({ rows }, "s", true)]]).toEqual([["a"], ["b"], []]);
});

it("draws different samples that the number of the draw repeats", () => {
  const rows = drawn(12, 100, 3);
  expect([new Set(rows).size, rows.every((row) => row >= 0 && row < 100), drawn(12, 100, 3), drawn(5, 3, 1).length]).toEqual([12, true, rows, 3]);
  expect(drawn(3, 100, 0)).toEqual([0, 1, 2]);
});
