import { expect, it } from "vitest";
import { against, duration, number } from "../src/ui/numbers";

it("writes numbers with four digits that count", () => {
  expect([8.6851, 0.01234, 12340.4, 105.8, 0, 5e-4, NaN].map(number)).toEqual(
    ["8.685", "0.01234", "12,340", "105.8", "0", "5.000e−4", "–"],
  );
});

it("writes times as one would say them", () => {
  expect([0.8, 9.96, 59.6, 84, 7500].map(duration)).toEqual(["0.8 s", "10 s", "1:00 min", "1:24 min", "2:05 h"]);
});

it("holds one number against another", () => {
  expect([against(8.685, 18.99), against(2, 1), against(1, null)]).toEqual(["−54%", "+100%", ""]);
});
