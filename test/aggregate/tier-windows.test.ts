import fc from "fast-check";
import { expect, it } from "vitest";
import { encodeSketch } from "../../lib/aggregate/sketch-table.ts";
import { TierWindows } from "../../lib/aggregate/window-set.ts";
import { mergeWindow } from "../../lib/aggregate/window-table.ts";
import { plainWindows, type Sample, sketchOf, tierWindows, windowSet } from "./plain-windows.ts";

const widthMs = 10_000;
const starts = [-10_000, 0, 10_000, 20_000];
const anySeries = fc.integer({ min: 1, max: 4 });
const anyStart = fc.constantFrom(...starts);

type Action =
  | { readonly kind: "add"; readonly series: number; readonly startMs: number; readonly values: readonly number[] }
  | { readonly kind: "remove"; readonly series: number; readonly startMs: number };

const anyAction: fc.Arbitrary<Action> = fc.oneof(
  fc.record({
    kind: fc.constant("add" as const),
    series: anySeries,
    startMs: anyStart,
    values: fc.array(fc.integer({ min: -1e6, max: 1e6 }), { minLength: 1, maxLength: 9 }),
  }),
  fc.record({ kind: fc.constant("remove" as const), series: anySeries, startMs: anyStart }),
);

it("windows are found by series and start, whichever came and went before", () => {
  const property = fc.property(fc.array(anyAction, { maxLength: 60 }), (actions) => {
    const tier = new TierWindows(widthMs, 1);
    const model = new Map<string, Sample[]>();
    for (const action of actions) {
      const { series, startMs } = action;
      const name = `${series} ${startMs}`;
      if (action.kind === "add") {
        const samples = action.values.map((value, i): Sample => ({ series, timeMs: startMs + i, value }));
        const { table } = windowSet([widthMs], samples).tiers[0];
        mergeWindow(tier.table, tier.indexOf(series, startMs), table, 0);
        model.set(name, [...(model.get(name) ?? []), ...samples]);
      } else {
        const at = tier.find(series, startMs);
        expect(at !== undefined).toBe(model.delete(name));
        if (at !== undefined) tier.remove(at);
      }
      expect(tier.table.length).toBe(model.size);
      for (const one of [1, 2, 3, 4]) {
        for (const start of starts) {
          const at = tier.find(one, start);
          const samples = model.get(`${one} ${start}`);
          expect(at !== undefined).toBe(samples !== undefined);
          if (at === undefined || samples === undefined) continue;
          expect([tier.table.series[at], tier.table.starts[at]]).toEqual([one, start]);
          expect(encodeSketch(tier.table.sketches, at)).toEqual(sketchOf(samples.map(({ value }) => value)));
        }
      }
    }
    expect(tierWindows(tier)).toEqual(plainWindows([...model.values()].flat(), widthMs));
  });
  fc.assert(property, { numRuns: 100 });
});
