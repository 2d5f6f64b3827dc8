import { expect, it } from "vitest";
import { statusRates } from "../../../query/dashboard/src/state/status-rates.ts";

const first = { atMs: 1_000, uptimeMs: 50_000, counted: 100, refused: 4, groups: 10 };

it("is what grew, by the time that passed", () => {
  const rates = statusRates(first, { atMs: 3_000, uptimeMs: 52_000, counted: 2_100, refused: 6, groups: 14 });
  expect(rates).toEqual({ samplesPerSecond: 1_000, refusedPerSecond: 1, groupsPerSecond: 2 });
});

it.each([
  ["after one answer", undefined, first],
  ["of one moment", first, first],
  ["when the server has started again", first, { ...first, atMs: 2_000, uptimeMs: 10, counted: 500 }],
  ["when a counter has fallen", first, { ...first, atMs: 2_000, uptimeMs: 51_000, counted: 5 }],
])("is not known %s", (_, before, now) => {
  expect(statusRates(before, now)).toBeUndefined();
});
