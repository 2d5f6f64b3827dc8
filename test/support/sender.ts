import { MemoryStore } from "../../lib/store/memory/memory-store.ts";
import { batch } from "./batches.ts";
import type { HarnessCall } from "./harness-call.ts";
import { IngestHarness } from "./ingest.ts";
import type { OracleSample } from "./oracle.ts";

export interface SentDevice {
  readonly labels?: Readonly<Record<string, string>>;
}

/** Every device has these: a gauge and a counter. */
export const gauge = "temperature";
export const counter = "energy";

export interface TimedValue {
  readonly timeMs: number;
  readonly value: number;
}

/** Devices that send to a store in this process, and what they have sent, for the oracle. */
export class Sender {
  ingest: IngestHarness;
  store: IngestHarness["store"];
  readonly devices = new Map<string, SentDevice>();
  readonly samples: OracleSample[] = [];
  readonly #calls = new Map<string, HarnessCall>();
  readonly #sequences = new Map<string, number>();

  /**
   * @param finestKeptMs how long the finest tier is kept; undefined: for ever
   * @param store of these tiers; undefined: one in memory
   */
  constructor(widthsMs: readonly number[], nowMs?: number, finestKeptMs?: number, store?: IngestHarness["store"]) {
    this.store =
      store ??
      new MemoryStore(widthsMs.map((widthMs, t) => ({ widthMs, retentionMs: t === 0 ? finestKeptMs : undefined })));
    this.ingest = new IngestHarness(this.store, nowMs === undefined ? {} : { nowMs });
  }

  /** Registers a device, or again with other labels. */
  add(device: string, labels: Readonly<Record<string, string>> = {}): void {
    this.devices.set(device, { labels });
    this.#connect(device);
  }

  /** One group, with one batch. */
  send(device: string, metric: typeof gauge | typeof counter, samples: readonly TimedValue[]): void {
    this.put(device, metric, samples);
    this.ingest.flush();
  }

  /** A batch that goes with the group that is sent next. */
  put(device: string, metric: typeof gauge | typeof counter, samples: readonly TimedValue[]): void {
    if (samples.length === 0) return;
    if (!this.devices.has(device)) this.add(device);
    const sequence = (this.#sequences.get(device) ?? 0) + 1;
    this.#sequences.set(device, sequence);
    const timeMs = Math.min(...samples.map((sample) => sample.timeMs));
    const values = samples.map(({ value }) => value);
    const made = batch(sequence, values, { timeMs, metric: metric === gauge ? 1 : 2 });
    for (const table of made.tables ?? []) table.timeOffsetsMs = samples.map((sample) => sample.timeMs - timeMs);
    this.#calls.get(device)?.batches(made);
    for (const sample of samples) this.samples.push({ device, metric, ...sample });
  }

  wait(ms: number): void {
    this.ingest.nowMs += ms;
    this.ingest.elapsedMs += ms;
  }

  /** The writer ends without notice, and starts again. @param store opened again; undefined: the same */
  crash(store = this.store): void {
    const { nowMs, elapsedMs } = this.ingest;
    this.store = store;
    this.ingest = new IngestHarness(this.store, { nowMs, elapsedMs });
    for (const device of this.devices.keys()) this.#connect(device);
  }

  #connect(device: string): void {
    const labels = this.devices.get(device)?.labels ?? {};
    const call = this.ingest.connect(device, { metrics: [gauge, counter], counters: [counter], labels });
    this.#calls.set(device, call);
  }
}
