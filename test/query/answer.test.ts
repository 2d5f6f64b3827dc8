import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Tier, windowStart } from "../../lib/aggregate/tiers.ts";
import { latenessMsDefault, openWindowsMax, snapshotMsMax } from "../../lib/base/limits.ts";
import type { Selector } from "../../lib/store/selector.ts";
import { openSqliteReader } from "../../lib/store/sqlite/sqlite-reader.ts";
import { OpenRanges } from "../../query/open-ranges.ts";
import type { AnswerRequest } from "../../query/range-answer.ts";
import { type Sample, tableWindows } from "../aggregate/plain-windows.ts";
import { makeDataDir, openSqlite } from "../store/sqlite/data-dir.ts";
import { batch, dayMs } from "../support/batches.ts";
import type { HarnessCall } from "../support/harness-call.ts";
import { IngestHarness } from "../support/ingest.ts";
import { asOne } from "../support/sqlite-as-one.ts";

const tiers: readonly Tier[] = [{ widthMs: 10_000 }, { widthMs: 60_000 }, { widthMs: 600_000 }];
const startMs = dayMs + 3_600_000;

type Action =
  | { readonly kind: "send"; readonly device: number; readonly agoMs: number; readonly values: readonly number[] }
  | { readonly kind: "steps"; readonly count: number }
  | { readonly kind: "wait"; readonly ms: number };

const anyAction: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      device: fc.nat(3),
      agoMs: fc.oneof(fc.nat(15_000), fc.nat(1_300_000)),
      values: fc.array(fc.integer({ min: -99, max: 99 }), { minLength: 1, maxLength: 5 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("steps" as const), count: fc.integer({ min: 1, max: 20 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.nat(90_000) }) },
);

/** A writer with a SQLite database, and the reader thread's side of a query, in one thread. */
class Running {
  readonly ingest: IngestHarness;
  readonly ranges: OpenRanges;
  readonly reader: ReturnType<typeof openSqliteReader>;
  readonly samples: (Sample & { device: string })[] = [];
  elapsedMs = 0;
  readonly #calls = new Map<string, HarnessCall>();
  readonly #sequences = new Map<string, number>();

  constructor(of: readonly Tier[] = tiers) {
    const dir = makeDataDir();
    const { store, reader } = openSqlite(of, dir);
    this.reader = reader;
    this.ingest = new IngestHarness(asOne(store, reader), { nowMs: startMs });
    this.ranges = new OpenRanges(() => openSqliteReader(dir, of), { nowMs: () => 0, elapsedMs: () => this.elapsedMs });
    onTestFinished(() => this.ranges.closeAll());
  }

  act(action: Action): void {
    if (action.kind === "wait") {
      this.ingest.nowMs += action.ms;
      this.ingest.elapsedMs += action.ms;
    } else if (action.kind === "steps") {
      for (let i = 0; i < action.count; i += 1) this.ingest.flusher.step();
    } else this.send(`device-${action.device}`, action.values, this.ingest.nowMs - action.agoMs);
  }

  send(device: string, values: readonly number[], timeMs: number): void {
    let call = this.#calls.get(device);
    if (call === undefined) {
      call = this.ingest.connect(device);
      this.#calls.set(device, call);
    }
    const sequence = (this.#sequences.get(device) ?? 0) + 1;
    this.#sequences.set(device, sequence);
    call.batches(batch(sequence, values, { timeMs, stepMs: 1 }));
    this.ingest.flush();
    for (const [i, value] of values.entries()) this.samples.push({ device, series: 0, timeMs: timeMs + i, value });
  }

  /** Begins a query, as `openAnswer` does. */
  ask(selector: Selector, widthMs: number, id = 1) {
    const { nowMs } = this.ingest;
    const fromMs = startMs - 7_200_000;
    const toMs = nowMs + 3_600_000;
    const request: AnswerRequest = {
      selector,
      widthMs,
      fromMs,
      toMs,
      quantiles: [],
      groupBy: [],
      nowMs,
      latenessMs: latenessMsDefault,
    };
    const selection = this.reader.select(selector);
    const copied = this.ingest.flusher.copyOpen({ ...selection, widthMs, fromMs: fromMs - widthMs, toMs: Infinity });
    if (copied === undefined) return undefined;
    const { hold, ...open } = copied;
    const start = this.ranges.open(id, request, selection, open);
    return { start, revision: open.revision, release: () => this.ingest.flusher.release(hold) };
  }

  /** Count and sum per device and start, of all that has been sent. */
  totals(devices: readonly string[] | undefined, widthMs: number): Map<string, string> {
    const totals = new Map<string, { count: number; sum: number }>();
    for (const { device, timeMs, value } of this.samples) {
      if (devices?.includes(device) === false) continue;
      const key = `${device} ${windowStart(timeMs, widthMs)}`;
      const before = totals.get(key) ?? { count: 0, sum: 0 };
      totals.set(key, { count: before.count + 1, sum: before.sum + value });
    }
    return asText(totals);
  }

  read(windowsMax: number, between: () => void = () => {}, id = 1): Map<string, string> {
    const totals = new Map<string, { count: number; sum: number }>();
    const names = new Map<number, string>();
    for (let page = this.ranges.nextPage(id, windowsMax); page; page = this.ranges.nextPage(id, windowsMax)) {
      for (const row of page.series) names.set(row.id, row.deviceId);
      for (const window of tableWindows(page.windows)) {
        const key = `${names.get(window.series)} ${window.startMs}`;
        expect(totals.has(key), key).toBe(false);
        totals.set(key, { count: window.count, sum: window.sum });
      }
      between();
    }
    this.ranges.close(id);
    return asText(totals);
  }
}

function asText(totals: ReadonlyMap<string, { count: number; sum: number }>): Map<string, string> {
  return new Map(
    [...totals].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, { count, sum }]) => [key, `${count} ${sum}`]),
  );
}

describe("an answer", () => {
  it("shows all groups that were acked before it was asked for, and no others, whatever is stored meanwhile", () => {
    fc.assert(
      fc.property(
        fc.array(anyAction, { minLength: 5, maxLength: 40 }),
        fc.array(anyAction, { maxLength: 30 }),
        fc.nat(2),
        fc.constantFrom(1, 3, 1_000),
        fc.constantFrom(undefined, ["device-1"], ["device-0", "device-3"]),
        (before, meanwhile, tier, windowsMax, devices) => {
          const running = new Running();
          for (const action of before) running.act(action);
          const { widthMs } = tiers[tier] ?? tiers[0] ?? { widthMs: 0 };
          const wanted = running.totals(devices, widthMs);
          const asked = running.ask({ deviceIds: devices, metricNames: undefined }, widthMs);
          expect(asked?.start.exact).toBe(true);
          expect(asked?.revision).toBe(running.ingest.store.position);
          asked?.release();
          const actions = [...meanwhile];
          const read = running.read(windowsMax, () => {
            for (const action of actions.splice(0, 3)) running.act(action);
          });
          expect(read).toEqual(wanted);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("is not exact when something is stored between the copy and the snapshot, and shows at least what was acked", () => {
    const running = new Running();
    running.send("pump", [1, 2], startMs);
    const { flusher, store } = running.ingest;
    const selector = { deviceIds: ["pump"], metricNames: undefined };
    const selection = running.reader.select(selector);
    const span = { ...selection, widthMs: 10_000, fromMs: 0, toMs: Infinity };
    const copied = flusher.copyOpen(span);
    if (copied === undefined) throw new Error("one window is copied");
    flusher.release(copied.hold);
    running.send("pump", [4], startMs);
    running.ingest.settle();
    expect(store.commits).toBeGreaterThan(copied.commits);
    const request: AnswerRequest = {
      selector,
      widthMs: 10_000,
      fromMs: startMs,
      toMs: startMs + 1,
      quantiles: [],
      groupBy: [],
      nowMs: startMs,
      latenessMs: latenessMsDefault,
    };
    expect(running.ranges.open(1, request, selection, copied).exact).toBe(false);
    expect([...running.read(10).values()]).toEqual(["3 7"]);
  });

  it("keeps the tables as they are until its snapshot has begun, for a moment and no longer", () => {
    const running = new Running();
    running.send("pump", [1], startMs);
    running.act({ kind: "wait", ms: 60_000 });
    const { commits } = running.ingest.store;
    const asked = running.ask({ deviceIds: ["pump"], metricNames: undefined }, 10_000);
    expect(running.ingest.flusher.step()).toBe(false);
    expect(running.ingest.store.commits).toBe(commits);
    running.act({ kind: "wait", ms: 100 });
    expect(running.ingest.flusher.step()).toBe(true);
    asked?.release();
    running.ranges.close(1);
  });

  it("lets its snapshot go when it has been read for too long, and goes on with what is stored then", () => {
    const running = new Running();
    for (let i = 0; i < 5; i += 1) running.send("pump", [1], startMs + i * 10_000);
    running.ask({ deviceIds: ["pump"], metricNames: undefined }, 10_000)?.release();
    expect(running.ranges.nextPage(1, 1)).toBeDefined();
    running.elapsedMs = snapshotMsMax;
    running.ranges.expire();
    running.send("pump", [2], startMs + 40_000);
    running.ingest.settle();
    expect([...running.read(10).values()]).toEqual(["1 1", "1 1", "1 1", "2 3"]);
  });

  it("is not copied when more windows are open than may be", () => {
    const running = new Running();
    const times = Array.from({ length: openWindowsMax + 1 }, (_, i) => startMs - i * 10_000);
    for (const timeMs of times.slice(0, openWindowsMax)) running.send("pump", [1], timeMs);
    const all: Selector = { deviceIds: undefined, metricNames: undefined };
    for (const selector of [all, { deviceIds: ["pump"], metricNames: undefined }]) {
      const selection = running.reader.select(selector);
      const copy = () => running.ingest.flusher.copyOpen({ ...selection, widthMs: 10_000, fromMs: -1e15, toMs: 1e15 });
      expect(copy()?.windows[0]?.length).toBe(openWindowsMax);
    }
    running.send("pump", [1], startMs - openWindowsMax * 10_000);
    for (const selector of [all, { deviceIds: ["pump"], metricNames: undefined }]) {
      const selection = running.reader.select(selector);
      const span = { ...selection, widthMs: 10_000, fromMs: -1e15, toMs: 1e15 };
      expect(running.ingest.flusher.copyOpen(span)).toBeUndefined();
    }
  });
});
