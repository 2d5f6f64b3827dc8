import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ChangeCollector } from "../../ingest/change-collector.ts";
import { keptFromMs, type Tier, tierName } from "../../lib/aggregate/tiers.ts";
import { latenessMsDefault } from "../../lib/base/limits.ts";
import { MemoryStore } from "../../lib/store/memory/memory-store.ts";
import { type PlainWindow, plainWindows, type Sample, tableWindows } from "../aggregate/plain-windows.ts";
import { all } from "../store/steps.ts";
import { batch } from "../support/batches.ts";
import { Filters } from "../support/filters.ts";
import { IngestHarness } from "../support/ingest.ts";

const minute = 60_000;
const hour = 60 * minute;
const tiers: readonly Tier[] = [
  { widthMs: 10_000, retentionMs: 2 * minute },
  { widthMs: minute, retentionMs: 20 * minute },
  { widthMs: hour },
];

function collectorOf(ingest: IngestHarness): ChangeCollector {
  const clock = { nowMs: () => ingest.nowMs, elapsedMs: () => ingest.elapsedMs };
  return new ChangeCollector(ingest.flusher, clock, latenessMsDefault);
}

/** A server, a device of it, and what a subscriber of each tier was told last of each window. */
class Watched {
  readonly ingest: IngestHarness;
  readonly samples: Sample[] = [];
  readonly told = tiers.map(() => new Map<string, PlainWindow>());
  readonly #collector: ChangeCollector;
  readonly #call;
  #sequence = 0;

  constructor() {
    this.ingest = new IngestHarness(new MemoryStore(tiers));
    this.#call = this.ingest.connect("press");
    this.#collector = collectorOf(this.ingest);
    new Filters(this.#collector).set(tiers.map(({ widthMs }) => ({ selector: all, widthMs })));
  }

  wait(ms: number): void {
    this.ingest.nowMs += ms;
    this.ingest.elapsedMs += Math.max(0, ms);
  }

  send(timeMs: number, values: readonly number[], stepMs = 1_000): void {
    this.#sequence += 1;
    this.#call.batches(batch(this.#sequence, values, { timeMs, stepMs }));
    this.ingest.flush();
    const outcome = this.ingest.outcomes.at(-1);
    if (outcome?.position === undefined) throw new Error("every batch is stored");
    this.#collector.add(outcome.group, outcome.position);
    this.samples.push(...values.map((value, i) => ({ series: 1, timeMs: timeMs + i * stepMs, value })));
  }

  take(): void {
    for (const { widthMs, windows } of this.#collector.take().changes) {
      const tier = this.told[tiers.findIndex((each) => each.widthMs === widthMs)];
      expect(windows.counts.subarray(0, windows.length), "windows without samples").not.toContain(0);
      for (const window of tableWindows(windows)) tier?.set(`${window.startMs}`, window);
    }
  }

  /** What was told last of each window that its tier keeps is its whole value. */
  expectTold(): void {
    for (const [t, tier] of tiers.entries()) {
      const keptMs = keptFromMs(tier, this.ingest.nowMs);
      const wanted = plainWindows(this.samples, tier.widthMs).filter(({ startMs }) => startMs >= keptMs);
      const told = [...(this.told[t]?.values() ?? [])].filter(({ startMs }) => startMs >= keptMs);
      expect(
        told.sort((a, b) => a.startMs - b.startMs),
        tierName(tier),
      ).toEqual(wanted);
    }
  }
}

type Action =
  | { readonly kind: "send"; readonly agoMs: number; readonly values: readonly number[]; readonly stepMs: number }
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: "steps" | "prune"; readonly count: number }
  | { readonly kind: "take" };

const anyAction: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      agoMs: fc.oneof(fc.integer({ min: -20_000, max: 40_000 }), fc.integer({ min: 0, max: 3 * hour })),
      values: fc.array(fc.integer({ min: -100, max: 100 }), { minLength: 1, maxLength: 4 }),
      stepMs: fc.constantFrom(0, 1_000, 7_000, 40_000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("wait" as const),
      ms: fc.oneof(fc.integer({ min: 1, max: 90_000 }), fc.integer({ min: 1, max: 2 * hour })),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom("steps" as const, "prune" as const),
      count: fc.integer({ min: 1, max: 40 }),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: "take" as const }) },
);

describe("what subscribers are told", () => {
  it("is the whole value of each window that has changed, in every tier, rolled up or not", () => {
    const property = fc.property(fc.array(anyAction, { maxLength: 50 }), (actions) => {
      const watched = new Watched();
      const { ingest } = watched;
      for (const action of actions) {
        if (action.kind === "send") watched.send(ingest.nowMs - action.agoMs, action.values, action.stepMs);
        else if (action.kind === "wait") watched.wait(action.ms);
        else if (action.kind === "steps") for (let i = 0; i < action.count; i += 1) ingest.flusher.step();
        else if (action.kind === "prune") ingest.flusher.prune(ingest.nowMs, action.count);
        else {
          watched.take();
          watched.expectTold();
        }
      }
      watched.take();
      watched.expectTold();
    });
    fc.assert(property, { numRuns: 200 });
  });

  it("has no window without samples: a late one that its tier no longer keeps changes nothing there", () => {
    const watched = new Watched();
    watched.send(watched.ingest.nowMs - hour, [1]);
    watched.take();
    expect(watched.told.map((windows) => windows.size)).toEqual([0, 0, 1]);
  });

  it("is whole when the server's clock has stepped back behind samples that it has, and when it starts again", () => {
    for (const restarts of [false, true]) {
      const watched = new Watched();
      const startMs = watched.ingest.nowMs;
      watched.wait(40 * minute);
      watched.send(startMs + 40 * minute, [1]);
      watched.ingest.settle();
      watched.wait(-40 * minute);
      const { store, nowMs } = watched.ingest;
      const ingest = restarts ? new IngestHarness(store, { nowMs }) : watched.ingest;
      const collector = collectorOf(ingest);
      new Filters(collector).set([{ selector: all, widthMs: hour }]);
      ingest.connect("press").batches(batch(2, [2], { timeMs: startMs }));
      ingest.flush();
      const outcome = ingest.outcomes.at(-1);
      if (outcome !== undefined) collector.add(outcome.group, outcome.position ?? 0);
      const told = collector.take().changes.flatMap(({ windows }) => tableWindows(windows));
      const samples = [...watched.samples, { series: 1, timeMs: startMs, value: 2 }];
      expect(told).toEqual(plainWindows(samples, hour));
    }
  });
});
