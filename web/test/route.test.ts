import { expect, it } from "vitest";
import { format, parse } from "../src/state/route";

it("reads back what it writes, whatever the run's name", () => {
  const route = { view: "codes", run: "a b/ü?%", params: new URLSearchParams({ x: "3", label: "a&b" }) };
  const back = parse(format(route));
  expect({ ...back, params: back.params.toString() }).toEqual({ ...route, params: route.params.toString() });
});

it("takes an empty or mistyped address", () => {
  expect(parse("").view).toBe("runs");
  expect(parse("#/run/%E0%A4%A").run).toBe("%E0%A4%A");
});
