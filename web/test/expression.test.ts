import { expect, it } from "vitest";
import { format, parse } from "../src/model/expression";

it("reads sums as the command line does", () => {
  expect(parse("3 - 7 + 0.5*mean(1, 2) − class:Bush + .25*digit:\"a b\"")).toEqual([
    { weight: 1, index: [3], label: null }, { weight: -1, index: [7], label: null },
    { weight: 0.5, index: [1, 2], label: null }, { weight: -1, index: [], label: "Bush" },
    { weight: 0.25, index: [], label: "a b" },
  ]);
});

it("writes what it reads back", () => {
  for (const text of ["0 - 1 + 2", "-0.35*3 + class:'say \"x\"'", "2*mean(4,5) - class:\"a b\" + 0*7"]) {
    expect(format(parse(text))).toBe(text);
  }
});

it("names the character where a sum is wrong", () => {
  const messages = ["3 -", "3 7", "0.5 + 1", "mean(1", "3 + x", "2e9*3"].map((text) => {
    try {
      return parse(text).length;
    } catch (error) {
      return (error as Error).message;
    }
  });
  expect(messages).toEqual([
    "Character 4 must be a sample's index, mean(...) or class:NAME; got the end.",
    "Character 3 must be + or -; got '7'.",
    "Character 1 must be a sample's index, a whole number (a weight is written with *, as in 0.5*3); got '0.5'.",
    "Character 7 must be ); got the end.",
    "Character 5 must be a sign, a number, mean(...) or class:NAME; got 'x'.",
    "Character 2 must be a sign, a number, mean(...) or class:NAME; got 'e'.",
  ]);
});
