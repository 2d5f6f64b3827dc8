import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { WindowPart } from "../../lib/aggregate/held-windows.ts";
import { keptFromMs, type Tier, tierName } from "../../lib/aggregate/tiers.ts";
import { watermarkOf } from "../../lib/aggregate/watermark.ts";
import { createWindowTable, type WindowTable } from "../../lib/aggregate/window-table.ts";
import { latenessMsDefault, rollUpRowsMax, stepRowsMax, storeRetryMs } from "../../lib/base/limits.ts";
import { MemoryStore } from "../../lib/store/memory/memory-store.ts";
import type { AggregateReader, AggregateStore, Journal } from "../../lib/store/store.ts";
import {
  expectDetails,
  type PlainWindow,
  plainWindows,
  type Sample,
  tableWindows,
} from "../aggregate/plain-windows.ts";
import { readRange, readTiers } from "../store/steps.ts";
import { batch } from "../support/batches.ts";
import { diskFull } from "../support/failing-store.ts";
import { IngestHarness } from "../support/ingest.ts";
import { connectDeep, sendDeep } from "../support/shards.ts";
import { openAsOne } from "../support/sqlite-as-one.ts";

const tens = 10_000;
const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const tiers: readonly Tier[] = [
  { widthMs: tens },
  { widthMs: minute },
  { widthMs: 5 * minute },
  { widthMs: 15 * minute },
];
/** Widths that nest in other ratios, and tiers that forget, but for the last. */
const tierSets: readonly (readonly Tier[])[] = [
  tiers,
  [{ widthMs: tens }],
  [{ widthMs: tens }, { widthMs: hour }],
  [{ widthMs: minute }, { widthMs: hour }, { widthMs: day }],
  [{ widthMs: tens, retentionMs: minute }, { widthMs: minute, retentionMs: 10 * minute }, { widthMs: 15 * minute }],
  [{ widthMs: tens, retentionMs: hour }, { widthMs: minute, retentionMs: tens }, { widthMs: hour }],
];
const devices = ["press", "pump"];
const metrics = ["temperature", "packets"];

type Store = AggregateStore & Journal & AggregateReader;

/** What happens to a server. */
type Action =
  | {
      readonly kind: "send";
      readonly device: number;
      readonly metric: number;
      readonly agoMs: number;
      readonly stepMs: number;
      readonly values: readonly number[];
    }
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: "steps"; readonly count: number }
  | { readonly kind: "prune"; readonly count: number }
  | { readonly kind: "check" }
  | { readonly kind: "disk-full"; readonly writes: number }
  | { readonly kind: "crash"; readonly writes: number; readonly isStored: boolean };

const anyAction: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      device: fc.nat(devices.length - 1),
      metric: fc.nat(metrics.length - 1),
      // Nearly all live, some late, some ahead of the server's clock.
      agoMs: fc.oneof(
        { weight: 4, arbitrary: fc.integer({ min: -20_000, max: 40_000 }) },
        { weight: 2, arbitrary: fc.integer({ min: 0, max: 4_000_000 }) },
        { weight: 1, arbitrary: fc.integer({ min: 0, max: 2 * day }) },
      ),
      stepMs: fc.constantFrom(0, 1, 7_000, 40_000),
      values: fc.array(fc.integer({ min: 0, max: 1_000 }), { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("wait" as const),
      ms: fc.oneof(
        { weight: 2, arbitrary: fc.integer({ min: 1, max: 70_000 }) },
        { weight: 3, arbitrary: fc.integer({ min: 1, max: 1_000_000 }) },
        { weight: 1, arbitrary: fc.integer({ min: 1, max: day }) },
      ),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("steps" as const), count: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("prune" as const), count: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 1, arbitrary: fc.constant({ kind: "check" as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("disk-full" as const), writes: fc.nat(10) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("crash" as const), writes: fc.nat(10), isStored: fc.boolean() }),
  },
);

class CutOff extends Error {}

/** Lets the writes of a store fail: one of them, or all from then on. */
class Writes {
  #left = Number.POSITIVE_INFINITY;
  #fail: (() => Error) | undefined;
  #isStored = false;

  constructor(store: Store) {
    for (const name of [
      "append",
      "commit",
      "commitSessions",
      "settle",
      "trim",
      "storeRollUp",
      "advanceRollUp",
      "prune",
    ] as const) {
      const run = store[name].bind(store) as (...args: unknown[]) => unknown;
      const write = (...args: unknown[]) => {
        this.#left -= 1;
        if (this.#left >= 0 || this.#fail === undefined) return run(...args);
        if (this.#isStored) run(...args);
        throw this.#fail();
      };
      Object.defineProperty(store, name, { value: write });
    }
  }

  failAfter(writes: number, fail: () => Error, isStored = false): void {
    this.#left = writes;
    this.#fail = fail;
    this.#isStored = isStored;
  }

  heal(): void {
    this.#fail = undefined;
  }
}

/** A server in a life of which everything above happens. */
class Life {
  ingest: IngestHarness;
  /** What was acked, or would have been before the server ended. */
  readonly samples: (Sample & { readonly watermarkMs: number })[] = [];
  readonly writes: Writes;
  readonly #store: Store;
  readonly #windowsMax: number | undefined;
  readonly #sequences = devices.map(() => 0);
  #calls: ReturnType<IngestHarness["connect"]>[] = [];

  constructor(store: Store, windowsMax: number | undefined) {
    this.#store = store;
    this.#windowsMax = windowsMax;
    this.writes = new Writes(store);
    this.ingest = this.#start({});
  }

  get counters(): Set<number> {
    return new Set(this.#store.counterSeries());
  }

  #start(clock: { nowMs?: number; elapsedMs?: number }): IngestHarness {
    const options = this.#windowsMax === undefined ? clock : { ...clock, windowsMax: this.#windowsMax };
    this.ingest = new IngestHarness(this.#store, options);
    this.#connect();
    return this.ingest;
  }

  #connect(): void {
    this.#calls = devices.map((device) => this.ingest.connect(device, { metrics, counters: ["packets"] }));
  }

  #restart(): void {
    const { nowMs, elapsedMs } = this.ingest;
    this.writes.heal();
    this.#start({ nowMs, elapsedMs });
  }

  act(action: Action): void {
    try {
      this.#act(action);
      if (this.ingest.failures.length > 0) throw this.ingest.failures[0];
    } catch (error) {
      if (!(error instanceof CutOff)) throw error;
      this.#restart();
    }
  }

  #act(action: Action): void {
    const { ingest } = this;
    if (action.kind === "send") this.#send(action);
    else if (action.kind === "wait") {
      ingest.nowMs += action.ms;
      ingest.elapsedMs += action.ms;
    } else if (action.kind === "steps") for (let i = 0; i < action.count; i += 1) ingest.flusher.step();
    else if (action.kind === "prune") ingest.flusher.prune(ingest.nowMs, action.count);
    else if (action.kind === "check") this.heal();
    else if (action.kind === "disk-full") this.writes.failAfter(action.writes, diskFull);
    else this.writes.failAfter(action.writes, () => new CutOff(), action.isStored);
  }

  /** The disk has space, everything is in the tables, and all that is over is rolled up. */
  heal(): void {
    this.writes.heal();
    // While nothing can be stored, a barrier does not wait.
    this.ingest.elapsedMs += storeRetryMs;
    this.ingest.flusher.step();
    this.ingest.settle();
    expect(this.ingest.flusher.problem).toBe("");
    expect(this.ingest.failures).toEqual([]);
  }

  #send({ device, metric, agoMs, stepMs, values }: Extract<Action, { kind: "send" }>): void {
    const timeMs = this.ingest.nowMs - agoMs;
    const oldestMs = Math.min(...this.#store.tiers.map((tier) => keptFromMs(tier, this.ingest.nowMs)));
    const sequence = (this.#sequences[device] ?? 0) + 1;
    const before = this.ingest.sessions.find(devices[device] ?? "")?.session;
    if (before === undefined) throw new Error("the device is connected");
    const watermarkMs = watermarkOf(before, this.ingest.nowMs, latenessMsDefault);
    const told = this.ingest.outcomes.length;
    this.#calls[device]?.batches(batch(sequence, values, { timeMs, stepMs, metric: metric + 1 }));
    this.ingest.flush();
    if (this.ingest.failures.length > 0) {
      this.#restart();
      // What the journal has counts, though no ack has come.
    } else if (this.ingest.outcomes[told]?.position === undefined) {
      // The disk is full: the call has ended, and the device comes again.
      this.writes.heal();
      this.#connect();
    }
    const found = this.ingest.sessions.find(devices[device] ?? "");
    if (found?.session.ackedSequence !== sequence) return;
    this.#sequences[device] = sequence;
    const series = found.seriesByName.get(metrics[metric] ?? "")?.id ?? 0;
    const samples = values.map((value, i) => ({ series, timeMs: timeMs + i * stepMs, value, watermarkMs }));
    this.samples.push(...samples.filter((sample) => sample.timeMs >= oldestMs));
  }

  /** Each tier shows whole what it keeps, in the tables as in memory. */
  expectAll(): void {
    const { nowMs, flusher } = this.ingest;
    const { counters, samples } = this;
    for (const [t, tier] of this.#store.tiers.entries()) {
      const { widthMs } = tier;
      const fromMs = Math.max(keptFromMs(tier, nowMs), -1e15);
      const wanted = plainWindows(samples, widthMs).filter(({ startMs }) => startMs >= fromMs);
      const { windows, pages } = readRange(this.#store, { widthMs, fromMs }, 5);
      expect(windows, tierName(tier)).toEqual(wanted);
      for (const page of pages) {
        expectDetails(page.windows, widthMs, samples, counters);
        this.#expectWatermarks(page.windows, widthMs);
      }
      for (const window of wanted) expect(wholeOf(flusher, t, window), tierName(tier)).toEqual([window]);
    }
  }

  /** A window has the highest watermark under which any of its samples came: also after a replay. */
  #expectWatermarks({ length, series, starts, watermarksMs }: WindowTable, widthMs: number): void {
    for (let i = 0; i < length; i += 1) {
      const isIn = (sample: Sample) =>
        sample.series === series[i] && sample.timeMs >= starts[i] && sample.timeMs < starts[i] + widthMs;
      const under = this.samples.filter(isIn).map((sample) => sample.watermarkMs);
      expect(watermarksMs[i]).toBe(Math.max(...under));
    }
  }

  /** The same of what is in memory and in the tables together, at any moment. */
  expectLive(): void {
    const { nowMs, flusher } = this.ingest;
    for (const [t, tier] of this.#store.tiers.entries()) {
      const fromMs = keptFromMs(tier, nowMs);
      for (const window of plainWindows(this.samples, tier.widthMs)) {
        if (window.startMs >= fromMs) expect(wholeOf(flusher, t, window), tierName(tier)).toEqual([window]);
      }
    }
  }
}

function wholeOf(flusher: IngestHarness["flusher"], t: number, { series, startMs }: PlainWindow): PlainWindow[] {
  const table: WindowTable = createWindowTable(1);
  table.length = 1;
  table.series[0] = series;
  table.starts[0] = startMs;
  flusher.readWindow(t, series, startMs, table, 0);
  return tableWindows(table);
}

describe.each([
  ["the model in memory", 100, (of: readonly Tier[]): Store => new MemoryStore(of)],
  ["SQLite", 20, openAsOne],
])("tiers that are rolled up as time goes on, in %s", (_, numRuns, open) => {
  it.each(tierSets.map((of) => [of.map(tierName).join(","), of] as const))(
    "%s show all samples, whenever they came, and whatever was cut off, refused by the disk or pruned",
    (_names, of) => {
      const property = fc.property(
        fc.array(anyAction, { minLength: 5, maxLength: 60 }),
        fc.constantFrom(undefined, 1, 5, 20),
        (actions, windowsMax) => {
          const store = open(of);
          const life = new Life(store, windowsMax);
          for (const action of actions) {
            life.act(action);
            if (action.kind === "check") life.expectAll();
            else if (action.kind === "steps") life.expectLive();
          }
          life.heal();
          life.expectAll();
          expect([...store.read()]).toEqual([]);
        },
      );
      fc.assert(property, { numRuns });
    },
  );
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

describe("a sample that comes late", () => {
  const keeping: readonly Tier[] = [
    { widthMs: tens, retentionMs: minute },
    { widthMs: minute, retentionMs: 10 * minute },
    { widthMs: hour, retentionMs: 3 * hour },
  ];

  it("is counted in the tiers that keep it, and refused when none does", () => {
    const store = new MemoryStore(keeping);
    const ingest = new IngestHarness(store);
    const call = ingest.connect("press");
    const count = () => readTiers(store).map((windows) => windows.reduce((sum, window) => sum + window.count, 0));
    let sequence = 0;
    function f(agoMs: number, tiersWithIt: readonly number[]): void {
      const before = count();
      call.take();
      sequence += 1;
      call.batches(batch(sequence, [1], { timeMs: ingest.nowMs - agoMs }));
      ingest.flush();
      ingest.settle();
      const added = count().map((each, t) => each - (before[t] ?? 0));
      expect(added, `${agoMs} ms late`).toEqual(tiersWithIt);
      const refused = call.take().acks.flatMap(({ refusals }) => refusals);
      expect(refused).toHaveLength(tiersWithIt.includes(1) ? 0 : 1);
    }
    // Half an hour in, so that an hour that is open reaches further back than the finer tiers keep.
    ingest.nowMs += 5 * hour + 30 * minute;
    ingest.settle();
    f(0, [1, 1, 1]);
    f(minute, [1, 1, 1]);
    f(2 * minute, [0, 1, 1]);
    f(10 * minute, [0, 1, 1]);
    // No tier above shows the hour yet: the minutes keep what makes it.
    f(20 * minute, [0, 1, 1]);
    f(31 * minute, [0, 0, 1]);
    f(3 * hour, [0, 0, 1]);
    f(3 * hour + 30 * minute, [0, 0, 1]);
    f(3 * hour + 30 * minute + 1, [0, 0, 0]);
  });

  it("is merged into a window that is rolled up, and the mark stays", () => {
    const store = new MemoryStore(tiers);
    const ingest = new IngestHarness(store);
    const call = ingest.connect("press");
    const startMs = ingest.nowMs;
    call.batches(batch(1, [4], { timeMs: startMs }));
    ingest.flush();
    ingest.nowMs += hour;
    ingest.settle();
    const marks = [...store.rolledMs];
    expect(marks[3]).toBeGreaterThan(startMs);
    call.batches(batch(2, [7], { timeMs: startMs + 50_000 }));
    ingest.flush();
    ingest.settle();
    expect(store.rolledMs).toEqual(marks);
    for (const windows of readTiers(store).slice(1)) expect(windows).toMatchObject([{ count: 2, sum: 11, last: 7 }]);
  });

  // Three shards, then one of which a step cannot read all.
  it.each([
    [600, [1, 300, 600], 1],
    [200, Array.from({ length: 200 }, (_, i) => i + 1), 10],
  ])(
    "is in a window of %s series that is just being rolled up, between whichever steps it comes",
    (count, sent, starts) => {
      for (let steps = 0; steps < 12; steps += 1) {
        const store = new MemoryStore([{ widthMs: tens }, { widthMs: 5 * minute }]);
        const ingest = new IngestHarness(store);
        const call = ingest.connect("press", { metrics: Array.from({ length: count }, (_, i) => `m${i}`) });
        const startMs = ingest.nowMs;
        let sequence = 0;
        const send = (metric: number, values: readonly number[], timeMs: number) => {
          sequence += 1;
          call.batches(batch(sequence, values, { timeMs, metric, stepMs: tens }));
        };
        for (const metric of sent) send(metric, new Array<number>(starts).fill(1), startMs);
        ingest.flush();
        ingest.settle();
        ingest.nowMs += 5 * minute + latenessMsDefault;
        for (let i = 0; i < steps; i += 1) ingest.flusher.step();
        for (const metric of sent) send(metric, [1], startMs + 9_999);
        ingest.flush();
        ingest.settle();
        expect(store.rolledMs[1]).toBe(startMs + 5 * minute);
        expect(readTiers(store)[1]?.map((window) => window.count)).toEqual(sent.map(() => starts + 1));
      }
    },
  );
});

/** Counts the windows that each step writes and reads. */
class CountingStore extends MemoryStore {
  written = 0;
  windowsRead = 0;
  transactions = 0;

  override commit(...[shard, through, parts]: Parameters<MemoryStore["commit"]>): void {
    this.transactions += 1;
    for (const part of parts) this.written += part.rows?.length ?? part.table.length;
    super.commit(shard, through, parts);
  }

  override storeRollUp(part: WindowPart): void {
    this.transactions += 1;
    this.written += part.rows?.length ?? part.table.length;
    super.storeRollUp(part);
  }

  override readWindows(...args: Parameters<MemoryStore["readWindows"]>): void {
    const [, , , , into] = args;
    const before = into.length;
    super.readWindows(...args);
    this.windowsRead += into.length - before;
  }
}

describe("a step", () => {
  it("writes and reads no more windows than take a few milliseconds, also after many came at once", () => {
    const store = new CountingStore([{ widthMs: tens }, { widthMs: hour }]);
    const ingest = new IngestHarness(store);
    const names = Array.from({ length: 300 }, (_, i) => `m${i}`);
    const call = ingest.connect("press", { metrics: names });
    const startMs = ingest.nowMs;
    // The next three hours: an hour of one shard is more than one step reads, and none of it is rolled up yet.
    ingest.nowMs += 3 * hour;
    for (const [i] of names.entries()) {
      if (i % 30 === 0)
        call.batches(
          batch(1 + i / 30, new Array<number>(1_080).fill(1), { metric: i + 1, timeMs: startMs, stepMs: tens }),
        );
    }
    ingest.flush();
    ingest.nowMs += latenessMsDefault;
    ingest.elapsedMs += 60_000;
    let steps = 0;
    for (let more = true; more; steps += 1) {
      [store.written, store.windowsRead, store.transactions] = [0, 0, 0];
      more = ingest.flusher.step();
      expect(store.transactions).toBeLessThanOrEqual(1);
      expect(store.written).toBeLessThanOrEqual(stepRowsMax);
      // One start of a shard may come on top.
      expect(store.windowsRead).toBeLessThanOrEqual(rollUpRowsMax + 256);
    }
    expect(steps).toBeGreaterThan((10 * 1_080) / stepRowsMax);
    expect(store.rolledMs[1]).toBe(startMs + 3 * hour);
    const [finest, hours] = readTiers(store);
    expect([finest?.length, hours?.map(({ count }) => count)]).toEqual([10_800, new Array(30).fill(360)]);
  });

  it("writes a hundred thousand windows of one batch in pieces", () => {
    const store = new CountingStore([{ widthMs: tens }]);
    const ingest = new IngestHarness(store);
    const deep = connectDeep(ingest);
    sendDeep(ingest, deep, [1]);
    ingest.elapsedMs += 60_000;
    let [steps, most] = [0, 0];
    for (let more = true; more; steps += 1) {
      store.written = 0;
      more = ingest.flusher.step();
      most = Math.max(most, store.written);
    }
    expect(most).toBe(stepRowsMax);
    expect(steps).toBeGreaterThanOrEqual(100_000 / stepRowsMax);
    expect(ingest.flusher).toMatchObject({ heldWindows: 0, journalGroups: 0 });
  });
});
