import fc from "fast-check";
import { expect, it } from "vitest";
import type { Tier } from "../../lib/aggregate/tiers.ts";
import { MemoryStore } from "../../lib/store/memory/memory-store.ts";
import { openSqliteReader } from "../../lib/store/sqlite/sqlite-reader.ts";
import type { AggregateReader, AggregateStore, Journal } from "../../lib/store/store.ts";
import { anySample, tierWindows } from "../aggregate/plain-windows.ts";
import { makeDataDir, openStore } from "./sqlite/data-dir.ts";
import { asHistory, commitSamples, deviceStep, readRange } from "./steps.ts";

const tiers: readonly Tier[] = [
  { widthMs: 10_000, retentionMs: 100_000 },
  { widthMs: 60_000, retentionMs: 300_000 },
  { widthMs: 3_600_000 },
];
const deviceIds = ["a", "b", "c"];
const metricsPerDevice = 15;
const metricNames = Array.from({ length: metricsPerDevice }, (_, i) => `m${i}`);

const anyTimeMs = fc.integer({ min: -300_000, max: 300_000 });
// SQLite stores -0 as 0.
const anyValue = fc.double({ noDefaultInfinity: true }).map((value) => value + 0);
const anySamples = fc.array(
  fc
    .tuple(anySample({ seriesMax: deviceIds.length * metricsPerDevice, value: anyValue }), anyTimeMs)
    .map(([sample, timeMs]) => ({ ...sample, timeMs })),
  { maxLength: 60 },
);

/** What a program does to a store: a change, or a question. */
type Action = (store: AggregateStore & Journal, reader: AggregateReader) => unknown;

const anyAction: fc.Arbitrary<Action> = fc.oneof(
  fc.record({ samples: anySamples, nowMs: anyTimeMs }).map(
    ({ samples, nowMs }): Action =>
      (store) =>
        commitSamples(store, samples, nowMs).tiers.map(tierWindows),
  ),
  anyTimeMs.map(
    (nowMs): Action =>
      (store) =>
        store.prune(nowMs, 100_000),
  ),
  fc
    .record({
      deviceIds: fc.option(fc.subarray(deviceIds), { nil: undefined }),
      metricNames: fc.option(fc.subarray(metricNames), { nil: undefined }),
      widthMs: fc.constantFrom(...tiers.map((tier) => tier.widthMs)),
      fromMs: anyTimeMs,
      toMs: anyTimeMs,
      windowsMax: fc.constantFrom(1, 2, 7, 100),
    })
    .map(
      ({ deviceIds, metricNames, windowsMax, ...range }): Action =>
        (_, reader) => {
          const { windows, series } = readRange(reader, { selector: { deviceIds, metricNames }, ...range }, windowsMax);
          return [windows, series.toSorted((a, b) => a.id - b.id)];
        },
    ),
);

it("SQLite, opened and closed as often as one likes, answers as the model in memory does", () => {
  fc.assert(
    fc.property(fc.array(fc.array(anyAction, { maxLength: 8 }), { maxLength: 3 }), (lives) => {
      const dir = makeDataDir();
      const model = asHistory(new MemoryStore(tiers));
      const make: Action = (store) =>
        deviceIds.map((id, i) => {
          const ids = metricNames.map((_, j) => 1 + i + j * deviceIds.length);
          return store.append(undefined, deviceStep(i + 1, id, ids));
        });
      for (const actions of [[make], ...lives]) {
        const store = asHistory(openStore(dir, tiers));
        const reader = openSqliteReader(dir, tiers);
        try {
          for (const action of actions) expect(action(store, reader)).toEqual(action(model, model));
        } finally {
          reader.close();
          store.close();
        }
      }
    }),
    { numRuns: 50 },
  );
});
