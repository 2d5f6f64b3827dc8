import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Tier } from "../../lib/aggregate/tiers.ts";
import { latenessMsDefault } from "../../lib/base/limits.ts";
import { MemoryStore } from "../../lib/store/memory/memory-store.ts";
import type { AggregateReader, AggregateStore, Journal } from "../../lib/store/store.ts";
import { plainWindows, type Sample } from "../aggregate/plain-windows.ts";
import { openSqlite } from "../store/sqlite/data-dir.ts";
import { readTiers } from "../store/steps.ts";
import { batch } from "../support/batches.ts";
import { IngestHarness } from "../support/ingest.ts";

const tiers: readonly Tier[] = [{ widthMs: 10_000 }, { widthMs: 60_000 }, { widthMs: 300_000 }, { widthMs: 900_000 }];
const devices = ["press", "pump"];

type Store = AggregateStore & Journal & AggregateReader;

/** What happens to a server. */
type Action =
  | { readonly kind: "send"; readonly device: number; readonly agoMs: number; readonly value: number }
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: "steps"; readonly count: number }
  | { readonly kind: "barrier" | "crash" };

const anyAction: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      device: fc.nat(devices.length - 1),
      // Nearly all live, some late, some ahead of the server's clock.
      agoMs: fc.oneof(
        { weight: 3, arbitrary: fc.integer({ min: -20_000, max: 40_000 }) },
        fc.integer({ min: 0, max: 4_000_000 }),
      ),
      value: fc.integer({ min: -1_000, max: 1_000 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 400_000 }) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("steps" as const), count: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("barrier" as const, "crash" as const) }) },
);

/** A server in a life of which everything above happens. */
class Life {
  ingest: IngestHarness;
  readonly samples: Sample[] = [];
  readonly #store: Store;
  readonly #sequences = devices.map(() => 0);
  #calls: ReturnType<IngestHarness["connect"]>[] = [];

  constructor(store: Store) {
    this.#store = store;
    this.ingest = new IngestHarness(store);
    this.#connect();
  }

  #connect(): void {
    this.#calls = devices.map((device) => this.ingest.connect(device));
  }

  act(action: Action): void {
    const { ingest } = this;
    if (action.kind === "send") this.#send(action.device, ingest.nowMs - action.agoMs, action.value);
    else if (action.kind === "wait") {
      ingest.nowMs += action.ms;
      ingest.elapsedMs += action.ms;
    } else if (action.kind === "steps") for (let i = 0; i < action.count; i += 1) ingest.flusher.step();
    else if (action.kind === "barrier") void ingest.flusher.barrier("all", false);
    else {
      this.ingest = new IngestHarness(this.#store, { nowMs: ingest.nowMs, elapsedMs: ingest.elapsedMs });
      this.#connect();
    }
  }

  #send(device: number, timeMs: number, value: number): void {
    this.#sequences[device] = (this.#sequences[device] ?? 0) + 1;
    this.#calls[device]?.batches(batch(this.#sequences[device], [value], { timeMs }));
    this.ingest.flush();
    const series = this.#store.findDevice(devices[device] ?? "")?.series[0]?.id ?? 0;
    this.samples.push({ series, timeMs, value });
  }
}

const plainTiers = (samples: readonly Sample[]) => tiers.map(({ widthMs }) => plainWindows(samples, widthMs));

describe.each([
  ["the model in memory", 300, (): Store => new MemoryStore(tiers)],
  [
    "SQLite",
    60,
    (): Store => {
      const { store, reader } = openSqlite(tiers);
      return Object.assign(store, {
        devices: reader.devices.bind(reader),
        series: reader.series.bind(reader),
        unknownDevices: reader.unknownDevices.bind(reader),
        openRange: reader.openRange.bind(reader),
        progress: reader.progress.bind(reader),
      });
    },
  ],
])("tiers that are rolled up as time goes on, in %s", (_, numRuns, open) => {
  it("show all samples, at any moment after a barrier, whenever they came and whatever was cut off", () => {
    const property = fc.property(fc.array(anyAction, { maxLength: 60 }), (actions) => {
      const store = open();
      const life = new Life(store);
      for (const action of actions) {
        life.act(action);
        if (action.kind !== "barrier") continue;
        while (life.ingest.flusher.step());
        expect(readTiers(store)).toEqual(plainTiers(life.samples));
      }
      life.ingest.settle();
      expect(readTiers(store)).toEqual(plainTiers(life.samples));
    });
    fc.assert(property, { numRuns });
  });
});

describe("a window of a higher tier", () => {
  it("is stored once, when it has been over for the allowed lateness", () => {
    const store = new MemoryStore(tiers);
    const ingest = new IngestHarness(store);
    const call = ingest.connect("press");
    const startMs = ingest.nowMs;
    for (let i = 0; i < 6; i += 1) {
      call.batches(batch(i + 1, [i], { timeMs: ingest.nowMs }));
      ingest.flush();
      ingest.nowMs += 10_000;
      ingest.elapsedMs += 10_000;
      while (ingest.flusher.step());
    }
    expect(store.rolledMs.slice(1)).toEqual([startMs, startMs, startMs]);
    ingest.nowMs += latenessMsDefault;
    ingest.elapsedMs += latenessMsDefault;
    while (ingest.flusher.step());
    expect(store.rolledMs.slice(1)).toEqual([startMs + 60_000, startMs, startMs]);
    expect(readTiers(store)[1]).toMatchObject([{ startMs, count: 6, sum: 15, first: 0, last: 5 }]);
  });

  it("passes time in which nothing came at once", () => {
    const store = new MemoryStore(tiers);
    const ingest = new IngestHarness(store);
    const startMs = ingest.nowMs;
    const call = ingest.connect("press");
    call.batches(batch(1, [1], { timeMs: startMs }));
    ingest.flush();
    ingest.nowMs += 30 * 86_400_000;
    ingest.elapsedMs += 30 * 86_400_000;
    let steps = 0;
    while (ingest.flusher.step()) steps += 1;
    expect(steps).toBeLessThan(50);
    expect(store.rolledMs.slice(1).every((rolledMs) => rolledMs > ingest.nowMs - 1_000_000)).toBe(true);
  });
});
