import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ChangeCollector } from "../../ingest/change-collector.ts";
import { latestEventAfter, watermarkOf, windowState, windowStates } from "../../lib/aggregate/watermark.ts";
import { latenessMsDefault, timeAheadMsMaxDefault } from "../../lib/base/limits.ts";
import type { LiveFilter } from "../../lib/store/live-feed.ts";
import { matches } from "../../lib/store/selector.ts";
import type { WindowChanges } from "../../lib/store/store.ts";
import { quantilesOf } from "../../lib/wire/window-frame.ts";
import { dayMs } from "../support/batches.ts";
import { Filters } from "../support/filters.ts";
import { oracleIncreases } from "../support/increases.ts";
import { inTime, type OracleSample, type OracleWindow, oracleQuantile, oracleWindows } from "../support/oracle.ts";
import { counter, gauge, Sender, type TimedValue } from "../support/sender.ts";
import { encodeFrame } from "../wire/plain-frame.ts";

const widthsMs = [10_000, 60_000, 300_000, 900_000];
const quantiles = [0, 0.5, 0.99];

const everything: readonly LiveFilter[] = widthsMs.map((widthMs) => filter(widthMs));

function filter(widthMs: number, labels?: Readonly<Record<string, string>>): LiveFilter {
  return { widthMs, selector: { deviceIds: undefined, metricNames: undefined, ...(labels && { labels }) } };
}

/** A window as it was handed on. */
interface Told {
  readonly count: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
  readonly first: number;
  readonly last: number;
  readonly deviation: number;
  readonly increase: number;
  readonly quantiles: readonly number[];
  readonly state: string;
  readonly revision: number;
}

const keyOf = (widthMs: number, device: string, metric: string, startMs: number) =>
  `${widthMs} ${device} ${metric} ${startMs}`;

/** Watches what a sender's groups change, by a collector of its own, and has what it was handed on last. */
class Watch {
  readonly told = new Map<string, Told>();
  readonly sender: Sender;
  collector: ChangeCollector;
  filters: Filters;
  readonly #names = new Map<number, string>();

  constructor(sender: Sender, filters: readonly LiveFilter[] = everything) {
    this.sender = sender;
    this.collector = this.#start();
    this.filters = new Filters(this.collector);
    this.filters.set(filters);
  }

  #start(): ChangeCollector {
    const { ingest } = this.sender;
    const collector = new ChangeCollector(
      ingest.flusher,
      { nowMs: () => ingest.nowMs, elapsedMs: () => 0 },
      latenessMsDefault,
    );
    this.#names.clear();
    return collector;
  }

  /** The writer and its subscribers start again. */
  crash(filters: readonly LiveFilter[] = everything): void {
    this.sender.crash();
    this.told.clear();
    this.collector = this.#start();
    this.filters = new Filters(this.collector);
    this.filters.set(filters);
  }

  send(device: string, metric: typeof gauge | typeof counter, ...samples: TimedValue[]): void {
    this.sender.send(device, metric, samples);
    const { group, position } = this.sender.ingest.outcomes.at(-1) ?? {};
    if (group !== undefined && position !== undefined) this.collector.add(group, position);
  }

  /** @returns the keys of the windows that were handed on */
  take(): string[] {
    return this.collector.take().changes.flatMap((changes) => this.#read(changes));
  }

  #read({ widthMs, windows, series, revision }: WindowChanges): string[] {
    for (const { id, deviceId, name } of series) this.#names.set(id, `${deviceId} ${name}`);
    const frame = encodeFrame(widthMs, revision, series, windows);
    const values = quantilesOf(windows, quantiles);
    return Array.from({ length: windows.length }, (_, i) => {
      const [device = "", metric = ""] = this.#names.get(windows.series[i])?.split(" ") ?? [];
      const key = keyOf(widthMs, device, metric, windows.starts[i]);
      this.told.set(key, {
        count: windows.counts[i],
        sum: windows.sums[i],
        min: windows.mins[i],
        max: windows.maxs[i],
        first: windows.firsts[i],
        last: windows.lasts[i],
        deviation: frame.deviations?.[i] ?? 0,
        increase: frame.increases?.[i] ?? 0,
        quantiles: [...values.subarray(i * quantiles.length, (i + 1) * quantiles.length)],
        state: windowStates[windows.states[i] - 1],
        revision,
      });
      return key;
    });
  }

  /** Of one window of a gauge. */
  of(device: string, startMs = dayMs, widthMs = 10_000): Told | undefined {
    return this.told.get(keyOf(widthMs, device, gauge, startMs));
  }

  flush(): void {
    while (this.sender.ingest.flusher.step());
  }
}

const at = (fromMs: number, value = 1): TimedValue => ({ timeMs: dayMs + fromMs, value });

/** How far a device has come, and what its samples were to its windows when they came. */
class StateOracle {
  readonly #progress = new Map<string, { lastSeenAtMs: number | undefined; latestEventMs: number | undefined }>();
  readonly #changedMs = new Map<string, number>();

  watermark(device: string, nowMs: number): number {
    const none = { lastSeenAtMs: undefined, latestEventMs: undefined };
    return watermarkOf(this.#progress.get(device) ?? none, nowMs, latenessMsDefault);
  }

  sent(device: string, metric: string, timesMs: readonly number[], nowMs: number): void {
    const watermarkMs = this.watermark(device, nowMs);
    for (const timeMs of timesMs) {
      for (const widthMs of widthsMs) {
        const key = keyOf(widthMs, device, metric, Math.floor(timeMs / widthMs) * widthMs);
        this.#changedMs.set(key, Math.max(watermarkMs, this.#changedMs.get(key) ?? Number.NEGATIVE_INFINITY));
      }
    }
    const before = this.#progress.get(device) ?? { lastSeenAtMs: undefined, latestEventMs: undefined };
    const latestEventMs = latestEventAfter(before, Math.max(...timesMs), nowMs, latenessMsDefault);
    this.#progress.set(device, { lastSeenAtMs: nowMs, latestEventMs });
  }

  state({ device, metric, tierMs, startMs }: OracleWindow, nowMs: number): string {
    const changedMs = this.#changedMs.get(keyOf(tierMs, device, metric, startMs)) ?? Number.NEGATIVE_INFINITY;
    return windowState(startMs + tierMs, changedMs, this.watermark(device, nowMs));
  }
}

/** What happens to a server and its subscribers. */
type Action =
  | { readonly kind: "send"; readonly device: number; readonly agosMs: readonly number[]; readonly value: number }
  | { readonly kind: "count"; readonly device: number; readonly by: number }
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: "steps"; readonly count: number }
  | { readonly kind: "join"; readonly filters: readonly LiveFilter[] }
  | { readonly kind: "take" | "flush" | "crash" };

const anyAction: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      device: fc.nat(1),
      // Nearly all live, some late, some ahead of the server's clock.
      agosMs: fc.array(
        fc.oneof(
          { weight: 4, arbitrary: fc.integer({ min: -20_000, max: 60_000 }) },
          fc.integer({ min: -timeAheadMsMaxDefault, max: 2_000_000 }),
        ),
        { minLength: 1, maxLength: 4 },
      ),
      value: fc.integer({ min: -1_000, max: 1_000 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("count" as const), device: fc.nat(1), by: fc.nat(9) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 200_000 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("steps" as const), count: fc.integer({ min: 1, max: 20 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("join" as const),
      filters: fc.array(
        fc.constantFrom(...widthsMs).map((widthMs) => filter(widthMs, { site: "north" })),
        { maxLength: 2 },
      ),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom("take" as const, "flush" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("crash" as const) }) },
);

/** One subscriber stays for as long as the server runs, others come and go. */
class Life {
  readonly sender = new Sender(widthsMs, dayMs);
  readonly keeper: readonly LiveFilter[];
  readonly watch: Watch;
  readonly #states = new StateOracle();
  readonly #counts = [0, 0];
  #touched = new Set<string>();

  constructor(keeper: readonly LiveFilter[]) {
    this.keeper = keeper;
    this.sender.add("d0", { site: "north" });
    this.sender.add("d1", { site: "south" });
    this.watch = new Watch(this.sender, keeper);
  }

  act(action: Action): void {
    const { watch, sender } = this;
    if (action.kind === "send") {
      const { nowMs } = sender.ingest;
      this.#send(
        action.device,
        gauge,
        action.agosMs.map((agoMs, i) => ({ timeMs: nowMs - agoMs, value: action.value + i })),
      );
    } else if (action.kind === "count") this.#count(action.device, action.by);
    else if (action.kind === "wait") sender.wait(action.ms);
    else if (action.kind === "steps") for (let i = 0; i < action.count; i += 1) sender.ingest.flusher.step();
    else if (action.kind === "join") watch.filters.set([...this.keeper, ...action.filters]);
    else if (action.kind === "flush") watch.flush();
    else if (action.kind === "crash") {
      watch.crash(this.keeper);
      this.#touched.clear();
    } else this.take();
  }

  /** In order: no sample is late. 0: it starts again. */
  #count(device: number, by: number): void {
    this.#counts[device] = by === 0 ? 0 : (this.#counts[device] ?? 0) + by;
    this.sender.wait(1);
    this.#send(device, counter, [{ timeMs: this.sender.ingest.nowMs, value: this.#counts[device] ?? 0 }]);
  }

  #send(device: number, metric: typeof gauge | typeof counter, samples: readonly TimedValue[]): void {
    const id = `d${device}`;
    const { nowMs } = this.sender.ingest;
    this.watch.send(id, metric, ...samples);
    const timesMs = samples.map(({ timeMs }) => timeMs);
    this.#states.sent(id, metric, timesMs, nowMs);
    for (const { widthMs, selector } of this.keeper) {
      const labels = this.sender.devices.get(id)?.labels ?? {};
      if (!matches(selector, { deviceId: id, name: metric, labels })) continue;
      for (const timeMs of timesMs)
        this.#touched.add(keyOf(widthMs, id, metric, Math.floor(timeMs / widthMs) * widthMs));
    }
  }

  /** Everything that changed is handed on, whole, as it is now; and nothing stays provisional that is not. */
  take(): void {
    const { samples, ingest } = this.sender;
    const handedOn = new Set(this.watch.take());
    for (const key of this.#touched) expect(handedOn).toContain(key);
    this.#touched.clear();
    const windows = new Map(
      oracleWindows(samples, widthsMs).map((window) => {
        return [keyOf(window.tierMs, window.device, window.metric, window.startMs), window] as const;
      }),
    );
    for (const key of handedOn) {
      const [told, window] = [this.watch.told.get(key), windows.get(key)];
      if (told === undefined || window === undefined) throw new Error(`${key} has no samples`);
      checkWindow(told, window, samples);
      expect(told.state).toBe(this.#states.state(window, ingest.nowMs));
      expect(told.revision).toBe(ingest.store.position);
    }
    const kept = new Set(this.keeper.map(({ widthMs }) => String(widthMs)));
    for (const [key, { state }] of this.watch.told) {
      const window = windows.get(key);
      if (state !== "provisional" || window === undefined || !kept.has(key.split(" ")[0])) continue;
      if (this.keeper[0].selector.labels !== undefined && window.device !== "d0") continue;
      expect(`${key} ${this.#states.state(window, ingest.nowMs)}`).toBe(`${key} provisional`);
    }
  }
}

function checkWindow(told: Told, want: OracleWindow, samples: readonly OracleSample[]): void {
  const { count, sum, min, max, first, last } = want;
  expect(told).toMatchObject({ count, sum, min, max, first, last });
  expect(Math.abs(told.deviation - want.deviation)).toBeLessThan(1e-9 * Math.max(1, want.deviation));
  for (const [i, q] of quantiles.entries()) {
    const exact = oracleQuantile(want, q);
    expect(Math.abs(told.quantiles[i] - exact)).toBeLessThanOrEqual(0.01 * Math.abs(exact));
  }
  if (want.metric !== counter) return;
  // The feed knows the samples of the window just before.
  const { device, metric, tierMs, startMs } = want;
  const of = inTime(samples.filter((sample) => sample.device === device && sample.metric === metric));
  const [known] = oracleIncreases(of, tierMs, startMs).filter((increase) => increase.startMs === startMs);
  expect(told.increase).toBe(known.increase);
}

describe("what is handed on of changed windows", () => {
  it.each([
    ["all", everything],
    ["one tier of those with a label", [filter(60_000, { site: "north" })]],
  ])(
    "is whole in every tier, and final in time, through flushes, roll-ups, restarts and other subscribers: %s",
    (_, keeper) => {
      const property = fc.property(fc.array(anyAction, { maxLength: 60 }), (actions) => {
        const life = new Life(keeper);
        for (const action of actions) life.act(action);
        life.take();
        life.sender.wait(2_000_000);
        life.take();
      });
      fc.assert(property, { numRuns: 200 });
    },
  );
});

describe("a window that was handed on as provisional", () => {
  it("is handed on again as final when the watermark of its device passes it", () => {
    const watch = new Watch(new Sender(widthsMs, dayMs));
    watch.send("press", gauge, at(0, 7));
    watch.take();
    expect(watch.of("press")).toMatchObject({ state: "provisional", sum: 7 });
    watch.sender.wait(10_000 + latenessMsDefault);
    watch.send("press", gauge, at(10_000 + latenessMsDefault));
    expect(watch.take()).toContain(`10000 press ${gauge} ${dayMs}`);
    expect(watch.of("press")).toMatchObject({ state: "final", sum: 7 });
    expect(watch.of("press", dayMs, 60_000)).toMatchObject({ state: "provisional", sum: 8 });
  });

  it("is handed on again as final when its device falls silent, once", () => {
    const watch = new Watch(new Sender(widthsMs, dayMs));
    watch.send("press", gauge, at(0, 7));
    watch.take();
    watch.sender.wait(10_000 + latenessMsDefault - 1);
    expect(watch.take()).toEqual([]);
    watch.sender.wait(1);
    expect(watch.take()).toEqual([`10000 press ${gauge} ${dayMs}`]);
    expect(watch.of("press")).toMatchObject({ state: "final", sum: 7 });
    watch.sender.wait(1_000);
    expect(watch.take()).toEqual([]);
  });

  it("is handed on as final although other subscribers came and went in between", () => {
    const watch = new Watch(new Sender(widthsMs, dayMs), [filter(10_000)]);
    watch.send("press", gauge, at(0, 7));
    watch.take();
    watch.filters.set([filter(10_000), filter(60_000)]);
    watch.filters.set([filter(10_000)]);
    watch.sender.wait(10_000 + latenessMsDefault);
    watch.take();
    expect(watch.of("press")?.state).toBe("final");
  });

  it("is handed on with its state although another subscriber comes before it is handed on", () => {
    const watch = new Watch(new Sender(widthsMs, dayMs), [filter(10_000)]);
    watch.send("press", gauge, at(0, 7));
    watch.sender.wait(10_000 + latenessMsDefault);
    watch.filters.set([filter(10_000), filter(60_000)]);
    watch.take();
    expect(watch.of("press")?.state).toBe("final");
  });

  it("is not handed on as it was when nobody wanted it any more", () => {
    const watch = new Watch(new Sender(widthsMs, dayMs), [filter(10_000)]);
    watch.send("press", gauge, at(0, 7));
    watch.take();
    watch.filters.set([filter(60_000)]);
    watch.send("press", gauge, at(1_000, 7));
    watch.take();
    watch.filters.set([filter(10_000)]);
    watch.sender.wait(10_000 + latenessMsDefault);
    expect(watch.take()).toEqual([]);
  });
});

describe("a late sample", () => {
  it("after a silence is not undone later by the value that its window had before", () => {
    const watch = new Watch(new Sender(widthsMs, dayMs), [filter(60_000)]);
    watch.send("press", gauge, at(0, 1));
    watch.take();
    // The server's clock had passed the window; the sample itself sets the watermark back.
    watch.sender.wait(90_000);
    watch.send("press", gauge, at(59_999, 2));
    watch.take();
    expect(watch.of("press", dayMs, 60_000)).toMatchObject({ state: "corrected", sum: 3 });
    watch.sender.wait(90_000);
    expect(watch.take()).toEqual([]);
  });

  it("hands its window on as corrected, with a higher revision", () => {
    const watch = new Watch(new Sender(widthsMs, dayMs + 45_000));
    watch.send("press", gauge, at(0));
    watch.send("press", gauge, at(45_000));
    watch.take();
    const final = watch.of("press");
    expect(final?.state).toBe("final");
    watch.send("press", gauge, at(1_000, 5));
    watch.take();
    expect(watch.of("press")).toMatchObject({ state: "corrected", count: 2, sum: 6 });
    expect(watch.of("press")?.revision).toBeGreaterThan(final?.revision ?? 0);
  });

  it("that no tier keeps any more hands nothing on", () => {
    const sender = new Sender([10_000, 60_000], dayMs, 3_600_000);
    const watch = new Watch(sender, [filter(10_000), filter(60_000)]);
    watch.send("press", gauge, at(-7_200_000));
    expect(watch.take()).toEqual([`60000 press ${gauge} ${dayMs - 7_200_000}`]);
  });
});

describe("a device that is given another label", () => {
  it("is seen from then on by those who select the label", () => {
    const watch = new Watch(new Sender(widthsMs, dayMs), [filter(10_000, { site: "north" })]);
    watch.sender.add("press", { site: "south" });
    watch.send("press", gauge, at(0));
    expect(watch.take()).toEqual([]);
    watch.sender.add("press", { site: "north" });
    watch.send("press", gauge, at(1));
    expect(watch.take()).toHaveLength(1);
    expect(watch.of("press")?.count).toBe(2);
    watch.sender.add("press", { site: "south" });
    watch.send("press", gauge, at(2));
    expect(watch.take()).toEqual([]);
  });

  it("is told with it to the feed", () => {
    const watch = new Watch(new Sender(widthsMs, dayMs), [filter(10_000)]);
    for (const site of ["south", "north"]) {
      watch.sender.add("press", { site });
      watch.send("press", gauge, at(0));
      expect(watch.collector.take().changes[0].series).toMatchObject([{ deviceId: "press", labels: { site } }]);
    }
  });
});

describe("the memory of the collector", () => {
  it("does not grow with time: windows that are final or rolled up are let go of", () => {
    const watch = new Watch(new Sender(widthsMs, dayMs));
    const lengths: number[] = [];
    for (let minute = 0; minute < 90; minute += 1) {
      for (let i = 0; i < 6; i += 1) {
        watch.send("press", gauge, { timeMs: watch.sender.ingest.nowMs, value: 1 });
        // Late, into windows that are rolled up.
        watch.send("press", gauge, { timeMs: watch.sender.ingest.nowMs - 600_000, value: 1 });
        watch.take();
        watch.sender.wait(10_000);
        watch.flush();
      }
      lengths.push(watch.collector.length);
    }
    // By tier: some provisional ones, and two that are open.
    expect(Math.max(...lengths)).toBeLessThan(20);
  });

  it("is empty when nobody subscribes any more", () => {
    const watch = new Watch(new Sender(widthsMs, dayMs));
    watch.send("press", gauge, at(0));
    watch.take();
    watch.send("press", gauge, at(1));
    expect(watch.collector.length).toBeGreaterThan(0);
    watch.filters.set([]);
    expect(watch.collector.length).toBe(0);
    expect(watch.take()).toEqual([]);
  });
});
