import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { saturate } from "../../lib/aggregate/saturate.ts";
import {
  appendWindow,
  copyWindow,
  createWindowTable,
  mergeWindow,
  setWindow,
  type WindowTable,
} from "../../lib/aggregate/window-table.ts";
import { anySample, type PlainWindow, plainWindows, type Sample, tableWindows, windowSet } from "./plain-windows.ts";

const widthMs = 10_000;

/** Samples of one window, at least one. */
const windowSamples = fc.array(
  anySample().map((sample): Sample => ({ ...sample, series: 1, timeMs: Math.abs(sample.timeMs) % widthMs })),
  { minLength: 1, maxLength: 10 },
);

function tableOf(samples: readonly Sample[]): WindowTable {
  return windowSet([widthMs], samples).tiers[0].table;
}

function emptyWindow(): WindowTable {
  const table = createWindowTable(1);
  appendWindow(table, 1, 0);
  return table;
}

/** A table of one window: `parts` merged in their order. */
function merge(...parts: readonly WindowTable[]): WindowTable {
  const merged = emptyWindow();
  for (const part of parts) mergeWindow(merged, 0, part, 0);
  return merged;
}

describe("mergeWindow", () => {
  it("is commutative", () => {
    fc.assert(
      fc.property(windowSamples, windowSamples, (a, b) => {
        expect(tableWindows(merge(tableOf(a), tableOf(b)))).toEqual(tableWindows(merge(tableOf(b), tableOf(a))));
      }),
    );
  });

  it("is associative", () => {
    fc.assert(
      fc.property(windowSamples, windowSamples, windowSamples, (a, b, c) => {
        const left = merge(merge(tableOf(a), tableOf(b)), tableOf(c));
        const right = merge(tableOf(a), merge(tableOf(b), tableOf(c)));
        expect(tableWindows(left)).toEqual(tableWindows(right));
      }),
    );
  });

  it("gives the window of all samples together", () => {
    fc.assert(
      fc.property(windowSamples, windowSamples, (a, b) => {
        expect(tableWindows(merge(tableOf(a), tableOf(b)))).toEqual(plainWindows([...a, ...b], widthMs));
      }),
    );
  });

  it("changes nothing when either side has no samples", () => {
    fc.assert(
      fc.property(windowSamples, (samples) => {
        const want = tableWindows(tableOf(samples));
        expect(tableWindows(merge(tableOf(samples), emptyWindow()))).toEqual(want);
        expect(tableWindows(merge(emptyWindow(), tableOf(samples)))).toEqual(want);
      }),
    );
  });

  it("keeps the sum of huge values finite, and the rest of the window right", () => {
    const huge = tableOf([{ series: 1, timeMs: 5, value: Number.MAX_VALUE }]);
    const one = tableOf([{ series: 1, timeMs: 7, value: -1 }]);
    expect(tableWindows(merge(huge, huge, huge, one))).toEqual<PlainWindow[]>([
      {
        series: 1,
        startMs: 0,
        count: 4,
        sum: Number.MAX_VALUE,
        min: -1,
        max: Number.MAX_VALUE,
        first: Number.MAX_VALUE,
        firstTimeMs: 5,
        last: -1,
        lastTimeMs: 7,
      },
    ]);
  });
});

describe("saturate", () => {
  it("keeps finite sums and bounds infinite ones", () => {
    function f(sum: number, want: number): void {
      expect(saturate(sum)).toBe(want);
    }
    f(0, 0);
    f(-1.5, -1.5);
    f(Number.MAX_VALUE, Number.MAX_VALUE);
    f(Number.POSITIVE_INFINITY, Number.MAX_VALUE);
    f(Number.NEGATIVE_INFINITY, -Number.MAX_VALUE);
  });
});

describe("a window table", () => {
  it("grows beyond its capacity and keeps every window", () => {
    const table = createWindowTable(1);
    const source = tableOf([{ series: 1, timeMs: 3, value: 42 }]);
    const [window] = tableWindows(source);
    for (let i = 0; i < 100; i += 1) setWindow(table, appendWindow(table, 0, 0), source, 0);
    expect(tableWindows(table)).toEqual(new Array(100).fill(window));
  });

  it("copies windows that no longer follow their source", () => {
    const source = tableOf([{ series: 1, timeMs: 3, value: 42 }]);
    const want = tableWindows(source);
    const copy = createWindowTable();
    copyWindow(source, 0, copy);
    mergeWindow(source, 0, source, 0);
    expect(tableWindows(copy)).toEqual(want);
  });
});
