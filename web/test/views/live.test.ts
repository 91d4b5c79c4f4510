import { expect, it } from "vitest";
import { Superseded } from "../../src/model/explorer";
import { Latest } from "../../src/views/shared/live";
import { perRow, target } from "../../src/views/shared/roving";

it("has two questions under way, and asks the newest of the others", async () => {
  const asked: number[] = [], shown: unknown[] = [], answers = new Map<number, (value: number) => void>();
  const latest = new Latest<number>((answer, error) => shown.push(answer ?? error));
  const ask = (i: number) => latest.ask(() => new Promise((resolve) => { asked.push(i); answers.set(i, resolve); }));
  const settle = async (i: number) => { answers.get(i)!(i); await new Promise((done) => setTimeout(done)); };
  [1, 2, 3, 4].forEach(ask);
  expect(asked).toEqual([1, 2]);
  await settle(2);
  expect(asked).toEqual([1, 2, 4]);
  await settle(1); // older than what is shown
  await settle(4);
  expect(shown).toEqual([2, 4]);
});

it("says nothing of questions that a newer one replaced, and tells errors", async () => {
  const shown: unknown[] = [];
  const latest = new Latest<number>((answer, error) => shown.push(answer ?? error));
  latest.ask(() => Promise.reject(new Superseded()));
  latest.ask(() => Promise.reject(new Error("no")));
  await new Promise((done) => setTimeout(done));
  expect(shown).toEqual(["no"]);
});

it("moves among buttons in rows", () => {
  expect([perRow([5, 5, 5, 40, 40]), perRow([5, 5]), perRow([])]).toEqual([3, 2, 1]);
  expect([target("ArrowDown", 1, 9, 3), target("End", 1, 9, 3), target("x", 1, 9, 3)]).toEqual([4, 8, 1]);
});
