import fc from "fast-check";
import { expect, it } from "vitest";
import { copyWindow, createWindowTable, type WindowTable } from "../../../lib/aggregate/window-table.ts";
import { matches, type Selector } from "../../../lib/store/selector.ts";
import type { OpenWindows, WindowColumn } from "../../../lib/store/store.ts";
import { plainWindows, type Sample, tableWindows } from "../../aggregate/plain-windows.ts";
import {
  all,
  commitSamples,
  device,
  deviceStep,
  readRange,
  sampleSet,
  series,
  session,
  step,
  tiers,
} from "../steps.ts";
import type { Open } from "../store-contract.ts";

const deviceIds = ["truck-1", "truck-10", "truck-2", "trucks", "Truck-1", "t", "pump", "pümpe", "\u{1f600}-1"];
const names = ["temperature", "temp", "Temp", "energy", "e%", "e_x"];
const labelled: Record<string, string>[] = [{}, { site: "a" }, { site: "b", model: "x" }, { constructor: "a" }];

const anyNames = (of: readonly string[]) =>
  fc.option(fc.uniqueArray(fc.constantFrom(...of, "none"), { maxLength: 4 }), { nil: undefined });
const anyPrefixes = fc.option(
  fc.uniqueArray(fc.constantFrom("t", "truck-", "truck-1", "p", "pü", "e", "e%", "\u{1f600}", "x"), { maxLength: 3 }),
  { nil: undefined },
);

const anySelector: fc.Arbitrary<Selector> = fc.record({
  deviceIds: anyNames(deviceIds),
  deviceIdPrefixes: anyPrefixes,
  metricNames: anyNames(names),
  metricNamePrefixes: anyPrefixes,
  labels: fc.option(
    fc.constantFrom<Record<string, string>>(
      { site: "a" },
      { site: "b", model: "x" },
      { constructor: "a" },
      { site: "" },
    ),
    {
      nil: undefined,
    },
  ),
});

export function selectionContract(open: Open): void {
  it("finds the series of any selector, and their devices", () => {
    const { store, reader } = open(tiers);
    for (const [i, id] of deviceIds.entries()) {
      const labels = labelled[i % labelled.length] ?? {};
      store.append(
        undefined,
        step({
          devices: [device(i + 1, id, { labels })],
          sessions: [session(i + 1, i + 1)],
          series: names.map((name, n) => series(1 + n * deviceIds.length + i, i + 1, name)),
        }),
      );
    }
    const rows = reader.series(all, undefined, 1_000);
    expect(rows).toHaveLength(deviceIds.length * names.length);
    fc.assert(
      fc.property(anySelector, (selector) => {
        const wanted = rows.filter((row) => matches(selector, row));
        expect(reader.series(selector, undefined, 1_000)).toEqual(wanted);
        const { series: ids, devices } = reader.select(selector);
        if (ids === undefined) {
          expect([devices, wanted.length]).toEqual([undefined, rows.length]);
          return;
        }
        const ascending = (values: Iterable<number>) => [...new Set(values)].sort((a, b) => a - b);
        expect([...ids]).toEqual(ascending(wanted.map(({ id }) => id)));
        expect([...(devices ?? [])]).toEqual(ascending(wanted.map(({ device }) => device)));
      }),
    );
  });

  it("reads series whose ids lie far apart, few and many", () => {
    const { store, reader } = open(tiers);
    const ids = Array.from({ length: 1_200 }, (_, i) => 1 + i * 20);
    store.append(undefined, deviceStep(1, "pump", ids));
    const samples: Sample[] = ids.flatMap((id, i) =>
      [0, 30_000, 61_000].filter((_, at) => (i + at) % 3 > 0).map((timeMs) => ({ series: id, timeMs, value: id })),
    );
    commitSamples(store, samples);
    // SQLite looks up to 1,024 runs of ids up, and scans for more.
    for (const count of [2, 1_024, 1_025]) {
      const chosen = ids.filter((_, i) => i < count);
      const selector = { deviceIds: undefined, metricNames: chosen.map((_, i) => `m${i}`) };
      for (const { widthMs } of tiers) {
        for (const windowsMax of [50, 1_000]) {
          const { windows } = readRange(reader, { selector, widthMs }, windowsMax);
          expect(windows).toEqual(
            plainWindows(
              samples.filter((sample) => chosen.includes(sample.series)),
              widthMs,
            ),
          );
        }
      }
    }
  });

  it("reads the columns that are asked for", () => {
    const { store, reader } = open(tiers);
    store.append(undefined, deviceStep(1, "pump", [1]));
    commitSamples(
      store,
      [1, 5, 3].map((value, i) => ({ series: 1, timeMs: i * 1_000, value })),
    );
    for (const { widthMs } of tiers) {
      const f = (columns: WindowColumn[], want: Record<string, unknown>) => {
        const [window] = readRange(reader, { widthMs, columns: new Set(columns) }).windows;
        expect(window).toMatchObject({ count: 3, ...want });
      };
      f([], {});
      f(["sums"], { sum: 9 });
      f(["extremes"], { min: 1, max: 5 });
      f(["firsts"], { first: 1, firstTimeMs: 0 });
      f(["lasts"], { last: 3, lastTimeMs: 2_000 });
    }
  });

  it("puts open windows over what is stored, unless that is newer", () => {
    const anySamples = fc.array(
      fc.record({
        series: fc.constantFrom(1, 2, 255, 256, 700),
        timeMs: fc.integer({ min: 0, max: 200_000 }),
        value: fc.integer({ min: -99, max: 99 }),
      }),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(
        anySamples,
        anySamples,
        fc.constantFrom(0, 60_000, 120_000),
        fc.constantFrom(1, 3, 1_000),
        fc.boolean(),
        (stored, since, rolledMs, windowsMax, isNewer) => {
          const { store, reader } = open(tiers);
          store.append(undefined, deviceStep(1, "pump", [1, 2, 255, 256, 700]));
          commitSamples(store, stored);
          store.advanceRollUp(60_000, rolledMs);
          // The newer of two whole values stands.
          const both = isNewer ? [...stored, ...since] : stored;
          const set = sampleSet(store, both);
          const marksMs = [Number.POSITIVE_INFINITY, rolledMs, 0];
          const windows = set.tiers.map(({ table }, t) => {
            table.revisions.fill(isNewer ? 1e9 : -1);
            return before(table, marksMs[t] ?? 0);
          });
          const openWindows: OpenWindows = {
            revision: 1,
            commits: store.commits,
            windows,
            progress: { devices: new Int32Array(), lastSeenMs: new Float64Array(), latestEventMs: new Float64Array() },
          };
          for (const { widthMs } of tiers.slice(0, 2)) {
            const request = { selector: all, widthMs, fromMs: -1e12, toMs: 1e12 };
            for (const selector of [all, { deviceIds: ["pump"], metricNames: undefined }]) {
              const range = reader.openRange({ ...request, selector }, undefined, openWindows);
              const read = [];
              for (let page = range.next(windowsMax); page !== undefined; page = range.next(windowsMax)) {
                expect(page.windows.length).toBeLessThanOrEqual(windowsMax);
                read.push(...tableWindows(page.windows));
              }
              expect(read).toEqual(plainWindows(both, widthMs));
            }
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("tells how far devices have come", () => {
    const { store, reader } = open(tiers);
    for (const id of [1, 2, 3]) store.append(undefined, deviceStep(id, `pump-${id}`, [id]));
    store.commitSessions([session(2, 2, { lastSeenAtMs: 5, latestEventMs: 4 }), session(3, 3, { lastSeenAtMs: 7 })]);
    const f = (devices: Int32Array | undefined, want: number[][]) => {
      const { devices: ids, lastSeenMs, latestEventMs } = reader.progress(devices);
      expect(Array.from(ids, (id, i) => [id, lastSeenMs[i], latestEventMs[i]])).toEqual(want);
    };
    f(undefined, [
      [1, Number.NaN, Number.NaN],
      [2, 5, 4],
      [3, 7, Number.NaN],
    ]);
    f(Int32Array.of(2), [[2, 5, 4]]);
    f(Int32Array.of(), []);
  });
}

/** The windows that start before a time, by start, then by series. */
function before(table: WindowTable, markMs: number): WindowTable {
  const order = Array.from({ length: table.length }, (_, i) => i).filter((i) => table.starts[i] < markMs);
  order.sort((a, b) => table.starts[a] - table.starts[b] || table.series[a] - table.series[b]);
  const copy = createWindowTable(Math.max(1, table.length));
  for (const i of order) copyWindow(table, i, copy);
  return copy;
}
