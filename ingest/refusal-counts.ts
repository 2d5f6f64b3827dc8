import type { RefusalReason } from "../proto/gen/telemetry/v1/batch_pb.js";

/** What was refused for one reason. */
export interface RefusalCount {
  readonly reason: RefusalReason;
  /** Without those of batches that were refused whole: it is not known how many they had. */
  samples: number;
  /** Batches of which some samples, or all, were refused. */
  batches: number;
}

/** What was refused, by reason, in the order in which the reasons came up. */
export class RefusalCounts {
  readonly #counts = new Map<RefusalReason, RefusalCount>();

  /** A batch has so many samples that are refused for a reason. */
  add(reason: RefusalReason, samples: number, batches = 1): void {
    let count = this.#counts.get(reason);
    if (count === undefined) {
      count = { reason, samples: 0, batches: 0 };
      this.#counts.set(reason, count);
    }
    count.samples += samples;
    count.batches += batches;
  }

  addAll(other: RefusalCounts): void {
    for (const { reason, samples, batches } of other.list()) this.add(reason, samples, batches);
  }

  list(): RefusalCount[] {
    return [...this.#counts.values()].map((count) => ({ ...count }));
  }
}
