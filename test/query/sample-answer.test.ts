import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Tier } from "../../lib/aggregate/tiers.ts";
import { MemoryStore } from "../../lib/store/memory/memory-store.ts";
import type { RawRetention } from "../../lib/store/raw-retention.ts";
import type { AggregateReader, AggregateStore, Journal, JournalReader } from "../../lib/store/store.ts";
import { openSqlite } from "../store/sqlite/data-dir.ts";
import { readRange } from "../store/steps.ts";
import { type Batch, batch, dayMs } from "../support/batches.ts";
import type { HarnessCall } from "../support/harness-call.ts";
import { type HarnessOptions, IngestHarness } from "../support/ingest.ts";
import { RawRead, type RawSample } from "../support/raw-samples.ts";

const hourMs = 3_600_000;
const tiers: readonly Tier[] = [{ widthMs: 10_000, retentionMs: hourMs }];
const keepAll: RawRetention = { durationMs: Number.POSITIVE_INFINITY, bytesMax: Number.POSITIVE_INFINITY };
const timeAheadMsMax = 60_000;
const devices = ["press", "lathe"];
const metrics = ["a", "b", "c"];
const values = [1, 2, -3, 1_000_000, 0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

type Store = AggregateStore & Journal;
type Stores = () => { readonly store: Store; readonly reader: AggregateReader; readonly journal: JournalReader };

/** A table of the given metrics, by their handles, and times from now. */
interface PlainTable {
  readonly handles: readonly number[];
  readonly timesMs: readonly number[];
  readonly values: readonly number[];
}

type Action =
  | { readonly kind: "batch"; readonly device: number; readonly tables: readonly PlainTable[] }
  | { readonly kind: "gap" | "again" | "register"; readonly device: number }
  | { readonly kind: "group" | "settle" | "crash" | "raise" };

const anyTime = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -30_000, max: 10_000 }) },
  // Late, too late, just in time, and too far ahead.
  fc.constantFrom(-hourMs + 10_000, -hourMs - 10_000, -2 * hourMs, timeAheadMsMax, timeAheadMsMax + 1),
);
const anyTable: fc.Arbitrary<PlainTable> = fc.tuple(fc.subarray([1, 2, 3]), fc.nat(4)).chain(([handles, times]) =>
  fc.record({
    handles: fc.constant(handles),
    timesMs: fc.array(anyTime, { minLength: times, maxLength: times }),
    values: fc.array(fc.constantFrom(...values), {
      minLength: handles.length * times,
      maxLength: handles.length * times,
    }),
  }),
);
const anyDevice = fc.nat(devices.length - 1);
const anyAction: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("batch" as const),
      device: anyDevice,
      tables: fc.array(anyTable, { maxLength: 3 }),
    }),
  },
  { weight: 3, arbitrary: fc.constant({ kind: "group" as const }) },
  fc.record({ kind: fc.constantFrom("gap" as const, "again" as const, "register" as const), device: anyDevice }),
  fc.constantFrom({ kind: "settle" as const }, { kind: "crash" as const }, { kind: "raise" as const }),
);

/** What a fleet sends, and by the plainest rules what of it counts. */
class Fleet {
  readonly counted: RawSample[] = [];
  ingest: IngestHarness;
  readonly #store: Store;
  #options: HarnessOptions = { seriesPerDeviceMax: 2, timeAheadMsMax, nowMs: dayMs + hourMs };
  #calls: HarnessCall[] = [];
  readonly #sequences = devices.map(() => 0);
  /** Whether the third metric of a device has a series. */
  readonly #hasThird = devices.map(() => false);
  #raised = false;

  constructor(store: Store) {
    this.#store = store;
    this.ingest = this.#start();
  }

  act(action: Action): void {
    if (action.kind === "batch") this.#send(action.device, action.tables);
    else if (action.kind === "gap") this.#gap(action.device);
    else if (action.kind === "again") this.#calls[action.device].batches(batch(this.#sequences[action.device], [7]));
    else if (action.kind === "register") this.#register(action.device);
    else this.ingest.flush();
    if (action.kind === "settle") this.ingest.settle();
    if (action.kind === "raise") {
      this.#options = { ...this.#options, seriesPerDeviceMax: 3 };
      this.#raised = true;
    }
    if (action.kind === "crash" || action.kind === "raise") this.ingest = this.#start();
    this.ingest.nowMs += 1_000;
    this.#options = { ...this.#options, nowMs: this.ingest.nowMs };
  }

  /** After a crash nothing is bound to what was refused: each device registers again. */
  #start(): IngestHarness {
    // Nothing is asked of its reading side.
    const ingest = new IngestHarness(this.#store as Store & AggregateReader, this.#options);
    this.#calls = devices.map((id) => ingest.connect(id, { metrics }));
    this.#hasThird.fill(this.#raised);
    return ingest;
  }

  #register(device: number): void {
    this.ingest.flush();
    this.#calls[device] = this.ingest.connect(devices[device], { metrics });
  }

  #gap(device: number): void {
    const sequence = ++this.#sequences[device];
    this.#calls[device].gap({ deviceHandle: 1, firstSequence: BigInt(sequence), lastSequence: BigInt(sequence) });
  }

  #send(device: number, tables: readonly PlainTable[]): void {
    const { nowMs } = this.ingest;
    const message: Batch = {
      deviceHandle: 1,
      sequence: BigInt(++this.#sequences[device]),
      tables: tables.map(({ handles, timesMs, values: column }) => ({
        metricHandles: [...handles],
        baseTimeUnixMs: BigInt(nowMs - 3 * hourMs),
        timeOffsetsMs: timesMs.map((timeMs) => timeMs + 3 * hourMs),
        values: [...column],
      })),
    };
    this.#calls[device].batches(message);
    // One clock for what is sent and its group.
    this.ingest.flush();
    const keptFromMs = Math.floor((nowMs - hourMs) / 10_000) * 10_000;
    for (const { handles, timesMs, values: column } of tables) {
      for (const [m, handle] of handles.entries()) {
        for (const [t, after] of timesMs.entries()) {
          const value = column[m * timesMs.length + t];
          const hasSeries = handle < 3 || this.#hasThird[device];
          const timeMs = nowMs + after;
          if (!hasSeries || !Number.isFinite(value) || timeMs < keptFromMs || after > timeAheadMsMax) continue;
          this.counted.push({ device: devices[device], metric: metrics[handle - 1], timeMs, value });
        }
      }
    }
  }
}

/** Their windows, as text: whose, start, count. */
function windowsOf(samples: readonly RawSample[]): string[] {
  const groups = Map.groupBy(samples, ({ device, metric, timeMs }) =>
    [device, metric, Math.floor(timeMs / 10_000) * 10_000].join(" "),
  );
  return [...groups].map(([key, { length }]) => `${key} ${length}`).sort();
}

/** Windows that are stored, in the same form. */
function storedWindows(reader: AggregateReader): string[] {
  const { windows, series } = readRange(reader, {});
  const rows = new Map(series.map((row) => [row.id, row]));
  const textOf = ({ series, startMs, count }: (typeof windows)[number]) => {
    const row = rows.get(series);
    return [row?.deviceId, row?.name, startMs, count].join(" ");
  };
  return windows.map(textOf).sort();
}

function answersOf(name: string, numRuns: number, open: Stores): void {
  describe(`samples that are read back from ${name}`, () => {
    it("are those that counted, in the order in which they were settled, and what the aggregates count", () => {
      const property = fc.property(
        fc.array(anyAction, { maxLength: 30 }),
        fc.constantFrom(1, 3, 1_000),
        (actions, samplesMax) => {
          const { store, reader, journal } = open();
          const fleet = new Fleet(store);
          for (const action of actions) fleet.act(action);
          const samples = new RawRead(journal, reader).all(samplesMax);
          expect(samples).toEqual(fleet.counted);
          fleet.ingest.settle();
          expect(windowsOf(samples)).toEqual(storedWindows(reader));
        },
      );
      fc.assert(property, { numRuns });
    });

    it("are those of the selection and the times", () => {
      const anyRange = fc.tuple(fc.integer({ min: -100, max: 40 }), fc.integer({ min: 0, max: 60 }));
      const property = fc.property(
        fc.array(anyAction, { maxLength: 15 }),
        anyRange,
        fc.subarray(devices, { minLength: 1 }),
        fc.subarray(metrics, { minLength: 1 }),
        (actions, [fromS, seconds], deviceIds, metricNames) => {
          const { store, reader, journal } = open();
          const fleet = new Fleet(store);
          for (const action of actions) fleet.act(action);
          const fromMs = dayMs + hourMs + fromS * 1_000;
          const toMs = fromMs + seconds * 1_000;
          const selector = { deviceIds, metricNames };
          const read = new RawRead(journal, reader, { selector, fromMs, toMs }).all(4);
          const wanted = fleet.counted.filter(
            ({ device, metric, timeMs }) =>
              deviceIds.includes(device) && metricNames.includes(metric) && timeMs >= fromMs && timeMs < toMs,
          );
          expect(read).toEqual(wanted);
        },
      );
      fc.assert(property, { numRuns });
    });
  });
}

answersOf("the model in memory", 150, () => {
  const store = new MemoryStore(tiers, keepAll);
  return { store, reader: store, journal: store };
});

answersOf("SQLite", 25, () => openSqlite(tiers, undefined, keepAll));
