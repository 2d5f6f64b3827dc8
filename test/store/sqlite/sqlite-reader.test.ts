import { expect, it, onTestFinished } from "vitest";
import { defaultTiers } from "../../../lib/aggregate/tiers.ts";
import { openSqliteReader } from "../../../lib/store/sqlite/sqlite-reader.ts";
import { plainWindows } from "../../aggregate/plain-windows.ts";
import { all, commitSamples, deviceStep, readRange } from "../steps.ts";
import { makeDataDir, openSqlite, openStore } from "./data-dir.ts";

const samples = [0, 10_000, 20_000, 30_000].map((timeMs) => ({ series: 1, timeMs, value: timeMs }));

it("lets the writer commit while a range is being read, and every reader sees it", () => {
  const dir = makeDataDir();
  const { store, reader } = openSqlite(defaultTiers, dir);
  const other = openSqliteReader(dir, defaultTiers);
  onTestFinished(() => other.close());
  store.append(undefined, deviceStep(1, "pump", [1]));
  commitSamples(store, samples);
  const range = reader.openRange({ selector: all, widthMs: 10_000, fromMs: 0, toMs: 40_000 });
  range.next(1);
  commitSamples(store, samples);

  const twice = plainWindows([...samples, ...samples], 10_000);
  expect(readRange(other, {}).windows).toEqual(twice);
  const rest = range.next(10);
  expect(Array.from(rest?.windows.counts.subarray(0, 3) ?? [])).toEqual([2, 2, 2]);
});

it("reads on when the writer has closed, and sees the next one", () => {
  const dir = makeDataDir();
  const store = openStore(dir, defaultTiers);
  store.append(undefined, deviceStep(1, "pump", [1]));
  commitSamples(store, samples);
  const reader = openSqliteReader(dir, defaultTiers);
  onTestFinished(() => reader.close());
  store.close();
  expect(readRange(reader, {}).windows).toEqual(plainWindows(samples, 10_000));

  const { store: next } = openSqlite(defaultTiers, dir);
  commitSamples(next, samples);
  expect(readRange(reader, {}).windows).toEqual(plainWindows([...samples, ...samples], 10_000));
});
