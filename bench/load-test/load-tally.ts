import { Latencies } from "../load/latencies.ts";

/** What has become of the batches of a load so far. */
export class LoadTally {
  batchesSealed = 0;
  batchesAcked = 0;
  /** Sealed by devices that the server then refused for good: they are not acked any more. */
  batchesAbandoned = 0;
  /** Due of devices that had been refused for good before. */
  batchesSkipped = 0;
  readingsLate = 0;
  devicesRegistered = 0;
  /** Refused for good. */
  devicesFailed = 0;
  /** From when a batch was due to its ack. */
  readonly ackMs = new Latencies();
  /** The same, since somebody has last reset it. */
  readonly recentAckMs = new Latencies();

  /** Batches that are sealed, and can still be acked. */
  get batchesWaiting(): number {
    return this.batchesSealed - this.batchesAcked - this.batchesAbandoned;
  }

  /** @param latencyMs since it was due */
  acked(latencyMs: number): void {
    this.batchesAcked += 1;
    this.ackMs.record(latencyMs);
    this.recentAckMs.record(latencyMs);
  }

  /** A batch that is not acked, this long after it was due, counts as one that took so long: it took longer. */
  gaveUp(latencyMs: number): void {
    this.ackMs.record(latencyMs);
  }
}
