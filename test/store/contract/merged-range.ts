import fc from "fast-check";
import { expect, it } from "vitest";
import { keptFromMs, type Tier } from "../../../lib/aggregate/tiers.ts";
import type { Selector } from "../../../lib/store/selector.ts";
import type { RangePage } from "../../../lib/store/store.ts";
import { type PlainWindow, plainWindows, type Sample, tableWindows } from "../../aggregate/plain-windows.ts";
import { RolledStore } from "../rolled-store.ts";
import { all, deviceStep, readRange } from "../steps.ts";
import type { Open } from "../store-contract.ts";

/** Both sides of the bounds of shards, more than are looked up one by one, and a last shard far off. */
const seriesIds = [...Array.from({ length: 40 }, (_, i) => 240 + i), 1, 511, 512, 1_500];
const hourMs = 3_600_000;
const startMs = 1_000 * hourMs;

const tiers: readonly Tier[] = [{ widthMs: 10_000 }, { widthMs: 60_000 }, { widthMs: hourMs }];
const keeping: readonly Tier[] = [
  { widthMs: 10_000, retentionMs: 60_000 },
  { widthMs: 60_000, retentionMs: 600_000 },
  { widthMs: hourMs },
];

function openRolled(open: Open, of: readonly Tier[], nowMs = startMs) {
  const { store, reader } = open(of);
  store.append(undefined, deviceStep(1, "pump", seriesIds));
  return { reader, writer: new RolledStore(store, nowMs) };
}

/** `m0` has the first id of `seriesIds`, and so on. */
const select = (count: number): Selector => ({
  deviceIds: undefined,
  metricNames: Array.from({ length: count }, (_, i) => `m${seriesIds.length - 1 - i}`),
});

function plainRange(samples: readonly Sample[], widthMs: number, fromMs: number, toMs: number): PlainWindow[] {
  return plainWindows(samples, widthMs).filter((window) => window.startMs + widthMs > fromMs && window.startMs < toMs);
}

type Action =
  | { readonly kind: "write"; readonly samples: readonly Sample[] }
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: "steps"; readonly count: number }
  | { readonly kind: "prune"; readonly windows: number };

const anyChange: fc.Arbitrary<Action> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("steps" as const), count: fc.integer({ min: 1, max: 30 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: hourMs }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("prune" as const), windows: fc.integer({ min: 1, max: 50 }) }),
  },
);

const anyWrite: fc.Arbitrary<Action> = fc.record({
  kind: fc.constant("write" as const),
  samples: fc.array(
    fc.record({
      series: fc.constantFrom(1, 240, 255, 256, 257, 512, 1_500),
      // So long ago: nearly all live, some late.
      timeMs: fc.oneof(fc.integer({ min: 0, max: 90_000 }), fc.integer({ min: 0, max: 2 * hourMs })),
      value: fc.integer({ min: -1_000, max: 1_000 }),
    }),
    { minLength: 1, maxLength: 20 },
  ),
});

function act(writer: RolledStore, action: Action, samples: Sample[]): void {
  if (action.kind === "wait") writer.nowMs += action.ms;
  else if (action.kind === "steps") writer.rollUp(action.count);
  else if (action.kind === "prune") writer.store.prune(writer.nowMs, action.windows);
  else {
    const written = action.samples.map((sample) => ({ ...sample, timeMs: writer.nowMs - sample.timeMs }));
    writer.write(written);
    samples.push(...written);
  }
}

export function mergedRangeContract(open: Open): void {
  it("shows each window once, whole and in order, while the marks move between its pages", () => {
    const property = fc.property(
      fc.array(fc.oneof(anyWrite, anyChange), { minLength: 6, maxLength: 30 }),
      fc.array(anyChange, { maxLength: 20 }),
      fc.record({
        tier: fc.nat(2),
        windowsMax: fc.constantFrom(1, 2, 7, 1_000),
        selected: fc.constantFrom(1, 3, 32, 33, seriesIds.length, "all" as const),
        agoMs: fc.oneof(fc.integer({ min: -30_000, max: 90_000 }), fc.integer({ min: 0, max: 2 * hourMs })),
        lengthMs: fc.oneof(fc.integer({ min: 1, max: 90_000 }), fc.integer({ min: 1, max: 2 * hourMs })),
      }),
      (before, meanwhile, { tier, windowsMax, selected, agoMs, lengthMs }) => {
        const { writer, reader } = openRolled(open, keeping);
        const samples: Sample[] = [];
        for (const action of before) act(writer, action, samples);
        const selector = selected === "all" ? all : select(selected);
        const ids = new Set(reader.series(selector, undefined, 1_000).map((row) => row.id));
        const { widthMs } = keeping[tier];
        const fromMs = writer.nowMs - agoMs;
        const toMs = fromMs + lengthMs;
        const range = reader.openRange({ selector, widthMs, fromMs, toMs });
        const changes = [...meanwhile];
        const pages: RangePage[] = [];
        for (let page = range.next(windowsMax); page !== undefined; page = range.next(windowsMax)) {
          pages.push(page);
          const change = changes.shift();
          if (change !== undefined) act(writer, change, samples);
        }
        // What its tier no longer keeps may be there, or not.
        const keptMs = keptFromMs(keeping[tier], writer.nowMs);
        const isKept = (window: PlainWindow) => window.startMs >= keptMs;
        const windows = pages.flatMap((page) => tableWindows(page.windows));
        const wanted = plainRange(
          samples.filter(({ series }) => ids.has(series)),
          widthMs,
          fromMs,
          toMs,
        );
        expect(windows.filter(isKept)).toEqual(wanted.filter(isKept));
        const keys = windows.map((window) => `${window.startMs} ${window.series}`);
        expect(new Set(keys).size).toBe(keys.length);
      },
    );
    fc.assert(property, { numRuns: 60 });
  });

  it("ends before the window that starts at its last time, also where that lies inside of a window", () => {
    const { writer, reader } = openRolled(open, tiers);
    const samples = [0, 40_000, 60_000, 100_000, hourMs, hourMs + 50_000].map((timeMs) => ({
      series: 512,
      timeMs: startMs + timeMs,
      value: timeMs,
    }));
    writer.write(samples);
    const f = (fromMs: number, toMs: number) => {
      for (const { widthMs } of tiers) {
        for (const selector of [all, select(2), select(40)]) {
          const request = { selector, widthMs, fromMs: startMs + fromMs, toMs: startMs + toMs };
          const wanted = plainRange(samples, widthMs, request.fromMs, request.toMs);
          expect(readRange(reader, request, 7).windows, `${fromMs} to ${toMs} of ${widthMs} ms`).toEqual(wanted);
        }
      }
    };
    // Nothing, then minutes, then an hour of it are rolled up.
    for (const nowMs of [0, 60_000, hourMs, 3 * hourMs]) {
      writer.nowMs = startMs + nowMs;
      writer.rollUp();
      f(0, 30_001);
      f(30_000, 60_001);
      f(59_999, 60_000);
      f(60_000, hourMs);
      f(60_000, hourMs + 1);
      f(hourMs - 1, hourMs + 50_001);
      f(-hourMs, 10 * hourMs);
    }
  });

  it("shows what the tiers below have when the finest has nothing any more", () => {
    const { writer, reader } = openRolled(open, keeping);
    const samples = [0, 10_000, 70_000].map((timeMs) => ({ series: 512, timeMs: startMs + timeMs, value: timeMs }));
    writer.write(samples);
    writer.nowMs += 400_000;
    writer.rollUp();
    writer.store.prune(writer.nowMs, 1_000);
    const read = (widthMs: number) => readRange(reader, { widthMs }).windows;
    expect(read(10_000)).toEqual([]);
    expect(read(60_000)).toEqual(plainWindows(samples, 60_000));
    expect(read(hourMs)).toEqual(plainWindows(samples, hourMs));
  });

  it("shows a window that was rolled up and pruned below while its reader was slow", () => {
    const { writer, reader } = openRolled(open, keeping);
    const samples = [1, 512].flatMap((series) =>
      [0, 10_000, 70_000].map((timeMs) => ({ series, timeMs: startMs + timeMs, value: timeMs + series })),
    );
    writer.write(samples);
    for (const selector of [all, select(4)]) {
      const range = reader.openRange({ selector, widthMs: hourMs, fromMs: startMs, toMs: startMs + hourMs });
      const pages = [range.next(1)];
      writer.nowMs += 3 * hourMs;
      writer.rollUp();
      while (writer.store.prune(writer.nowMs, 1_000) > 0);
      for (let page = range.next(1); page !== undefined; page = range.next(1)) pages.push(page);
      expect(pages.flatMap((page) => (page === undefined ? [] : tableWindows(page.windows)))).toEqual(
        plainWindows(samples, hourMs),
      );
    }
  });
}
