import fc from "fast-check";
import { expect, it } from "vitest";
import { keptFromMs, type Tier, windowStart } from "../../../lib/aggregate/tiers.ts";
import type { AggregateReader, ChangedRequest, RangePage } from "../../../lib/store/store.ts";
import { type PlainWindow, plainWindows, type Sample, tableWindows } from "../../aggregate/plain-windows.ts";
import { RolledStore } from "../rolled-store.ts";
import { all, deviceStep, series, step } from "../steps.ts";
import type { Open } from "../store-contract.ts";

const hourMs = 3_600_000;
const startMs = 1_000 * hourMs;
/** Both sides of the bounds of shards, and a last shard far off. */
const seriesIds = [1, 240, 255, 256, 257, 512, 1_500];

const keeping: readonly Tier[] = [
  { widthMs: 10_000, retentionMs: 60_000 },
  { widthMs: 60_000, retentionMs: 600_000 },
  { widthMs: hourMs },
];

type Action =
  | { readonly kind: "write"; readonly samples: readonly Sample[] }
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: "steps"; readonly count: number }
  | { readonly kind: "prune"; readonly windows: number };

const anyAction: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("write" as const),
      samples: fc.array(
        fc.record({
          series: fc.constantFrom(...seriesIds),
          // So long ago: nearly all live, some late.
          timeMs: fc.oneof(fc.integer({ min: 0, max: 90_000 }), fc.integer({ min: 0, max: 2 * hourMs })),
          value: fc.integer({ min: -1_000, max: 1_000 }),
        }),
        { minLength: 1, maxLength: 10 },
      ),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("steps" as const), count: fc.integer({ min: 1, max: 30 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: hourMs }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("prune" as const), windows: fc.integer({ min: 1, max: 50 }) }),
  },
);

function readChanged(reader: AggregateReader, request: ChangedRequest, windowsMax: number): RangePage[] {
  const changed = reader.openChanged(request);
  const pages: RangePage[] = [];
  for (let page = changed.next(windowsMax); page !== undefined; page = changed.next(windowsMax)) pages.push(page);
  return pages;
}

export function changedContract(open: Open): void {
  it("is every window with a sample of a later one, in every tier, rolled up or not, once and whole", () => {
    const property = fc.property(
      fc.array(anyAction, { minLength: 4, maxLength: 30 }),
      fc.record({
        tier: fc.nat(2),
        windowsMax: fc.constantFrom(1, 2, 7, 1_000),
        selected: fc.constantFrom([1], [255, 256], [240, 512, 1_500], "all" as const),
        after: fc.nat(15),
        beforeAgoMs: fc.option(fc.integer({ min: -10_000, max: 2 * hourMs }), { nil: undefined }),
      }),
      (actions, { tier, windowsMax, selected, after, beforeAgoMs }) => {
        const { store, reader } = open(keeping);
        store.append(undefined, deviceStep(1, "pump", seriesIds));
        const writer = new RolledStore(store, startMs);
        const writes: Sample[][] = [];
        for (const action of actions) {
          if (action.kind === "wait") writer.nowMs += action.ms;
          else if (action.kind === "steps") writer.rollUp(action.count);
          else if (action.kind === "prune") store.prune(writer.nowMs, action.windows);
          else {
            const samples = action.samples.map((sample) => ({ ...sample, timeMs: writer.nowMs - sample.timeMs }));
            writer.write(samples);
            writes.push(samples);
          }
        }
        const { widthMs } = keeping[tier];
        const names = selected === "all" ? undefined : selected.map((id) => `m${seriesIds.indexOf(id)}`);
        const selector = { ...all, metricNames: names };
        const beforeMs = beforeAgoMs === undefined ? Number.POSITIVE_INFINITY : writer.nowMs - beforeAgoMs;
        const pages = readChanged(reader, { selector, widthMs, after, beforeMs }, windowsMax);

        const keyOf = (of: { startMs: number; series: number }) => `${of.startMs} ${of.series}`;
        const later = new Set(
          writes
            .slice(after)
            .flat()
            .map((sample) => keyOf({ ...sample, startMs: windowStart(sample.timeMs, widthMs) })),
        );
        // What its tier no longer keeps may be there, or not.
        const keptMs = keptFromMs(keeping[tier], writer.nowMs);
        const isKept = (window: PlainWindow) => window.startMs >= keptMs;
        const wanted = plainWindows(writes.flat(), widthMs)
          .filter((window) => later.has(keyOf(window)) && window.startMs < beforeMs && isKept(window))
          .filter((window) => selected === "all" || (selected as number[]).includes(window.series));
        const windows = pages.flatMap((page) => tableWindows(page.windows)).filter(isKept);
        const sorted = windows.toSorted((a, b) => a.startMs - b.startMs || a.series - b.series);
        expect(sorted).toEqual(wanted);
        const told = pages.flatMap((page) => page.series.map(({ id }) => id));
        expect(new Set(told)).toEqual(
          new Set(pages.flatMap((page) => tableWindows(page.windows)).map((w) => w.series)),
        );
        expect(new Set(told).size).toBe(told.length);
        for (const page of pages) expect(page.windows.length).toBeLessThanOrEqual(windowsMax);
      },
    );
    fc.assert(property, { numRuns: 60 });
  });

  it("has the last sample of a counter in the window just before, changed or not", () => {
    const { store, reader } = open(keeping);
    const catalog = deviceStep(1, "pump", [1, 2]);
    store.append(
      undefined,
      step({ ...catalog, series: [series(1, 1, "m0", { kind: "counter" }), series(2, 1, "m1")] }),
    );
    const writer = new RolledStore(store, startMs);
    const at = (id: number, timeMs: number, value: number): Sample => ({ series: id, timeMs: startMs + timeMs, value });
    writer.write([at(1, 0, 5), at(1, 9_000, 7), at(2, 9_000, 7), at(1, 30_000, 50)]);
    writer.write([at(1, 10_000, 9), at(2, 10_000, 9), at(1, 50_000, 60)]);
    const request = { selector: all, widthMs: 10_000, after: 1, beforeMs: Number.POSITIVE_INFINITY };
    const [{ windows }] = readChanged(reader, request, 100);
    const before = Array.from({ length: windows.length }, (_, i) => [
      ...[windows.series[i], windows.starts[i] - startMs],
      ...[windows.valuesBefore[i], windows.timesBeforeMs[i] - startMs],
    ]);
    expect(before).toEqual([
      [1, 10_000, 7, 9_000],
      [2, 10_000, Number.NaN, Number.NaN],
      [1, 50_000, Number.NaN, Number.NaN],
    ]);
  });
}
