import { defaultTiers } from "../../lib/aggregate/tiers.ts";
import { batchSamplesMax } from "../../lib/base/limits.ts";
import { batch, dayMs } from "./batches.ts";
import type { HarnessCall } from "./harness-call.ts";
import { type HarnessOptions, IngestHarness } from "./ingest.ts";
import { RecordingStore } from "./recording-store.ts";

/** A writer whose devices lie in shards of their own: the first in shard 0, and so on. */
export interface ShardedIngest {
  readonly store: RecordingStore;
  readonly ingest: IngestHarness;
  /** Acks a batch of one sample of a device: its next. @param timeMs the start of the day unless told otherwise */
  send(device: number, timeMs?: number): void;
  /** Batches of a device that were acked. */
  readonly acked: readonly number[];
}

/** The ids of a shard; there is no series 0. */
const shardSeries = 256;

export function shardedIngest(devices: number, options?: HarnessOptions): ShardedIngest {
  const store = new RecordingStore(defaultTiers);
  const ingest = new IngestHarness(store, options);
  const calls: HarnessCall[] = Array.from({ length: devices }, (_, device) => {
    const count = device === 0 ? shardSeries - 1 : shardSeries;
    return ingest.connect(deviceName(device), { metrics: Array.from({ length: count }, (_, i) => `m${i}`) });
  });
  const acked = calls.map(() => 0);
  store.take();
  const send = (device: number, timeMs = dayMs) => {
    const sequence = (acked[device] ?? 0) + 1;
    calls[device]?.batches(batch(sequence, [1], { timeMs }));
    ingest.flush();
    if (ingest.outcomes.at(-1)?.position !== undefined) acked[device] = sequence;
  };
  return { store, ingest, send, acked };
}

/** Sends batches of a new device that come to more than 100,000 windows each, to be one group. */
export function sendDeep(ingest: IngestHarness, call: HarnessCall, sequences: readonly number[]): void {
  const values = new Array<number>(batchSamplesMax).fill(1);
  for (const sequence of sequences) call.batches(batch(sequence, values, { metric: sequence, stepMs: 10_000 }));
  ingest.flush();
}

/** A device for `sendDeep`, in a shard after the others. */
export function connectDeep(ingest: IngestHarness): HarnessCall {
  ingest.nowMs += batchSamplesMax * 10_000;
  return ingest.connect("deep", { metrics: ["a", "b", "c", "d", "e"] });
}

export function deviceName(device: number): string {
  return `device-${device}`;
}
