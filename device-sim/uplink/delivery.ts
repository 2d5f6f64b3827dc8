import { createHistogram, type RecordableHistogram } from "node:perf_hooks";

/** What became of the batches of some devices. */
export class Delivery {
  batchesSent = 0;
  samplesSent = 0;
  batchesAcked = 0;
  /** Samples of acked batches that the server counted. */
  samplesAcked = 0;
  /** Samples of acked batches that the server refused. */
  samplesRejected = 0;
  /** Batches that are recorded as lost at the server: overwritten, or of a store that was set back. */
  batchesLost = 0;
  /** Samples of those, as far as it is known how many they were. */
  samplesLost = 0;
  /** Connections that ended before we ended them. */
  reconnects = 0;
  /** Connections that were cut on purpose. */
  cuts = 0;
  /** Batches that were sent again on purpose. */
  batchesRepeated = 0;
  /** How often the server has said that it is the one who is slow, by cause. */
  readonly slowDowns = { disk: 0, quota: 0, memory: 0 };
  readonly #ackLatencyUs = latencyHistogram();
  readonly #recentUs = latencyHistogram();
  /** The first refusal of each reason, in the server's words. */
  readonly refusals = new Map<number, string>();

  /** An ack came this long after its batch was handed to the network. */
  recordAck(latencyMs: number): void {
    const latencyUs = Math.max(1, Math.round(latencyMs * 1_000));
    this.#ackLatencyUs.record(latencyUs);
    this.#recentUs.record(latencyUs);
  }

  /** Ack latency at a percentile, in milliseconds; 0 when nothing was acked. */
  ackMs(percentile: number): number {
    return percentileMs(this.#ackLatencyUs, percentile);
  }

  /** p50 and p99 in milliseconds since the last call. */
  takeRecent(): { p50Ms: number; p99Ms: number } {
    const recent = { p50Ms: percentileMs(this.#recentUs, 50), p99Ms: percentileMs(this.#recentUs, 99) };
    this.#recentUs.reset();
    return recent;
  }
}

function latencyHistogram(): RecordableHistogram {
  return createHistogram({ lowest: 1, highest: 3_600_000_000, figures: 3 });
}

function percentileMs(histogram: RecordableHistogram, percentile: number): number {
  return histogram.count === 0 ? 0 : Math.round(histogram.percentile(percentile) / 10) / 100;
}
