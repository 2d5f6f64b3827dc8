import type { GapReason } from "../../proto/gen/telemetry/v1/batch_pb.js";
import type { Amount, SpooledBatch, SpooledGap } from "./spool.ts";

/** A run of lost batches that the server settles together, or not at all. */
export interface GapSegment {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly samples: number;
  /** Whether it may have been sent as batches. What was not can be settled as a gap only. */
  readonly sent: boolean;
}

/**
 * Batches that a spool has dropped. Some of them may have reached the server before: it then expects a
 * sequence inside the gap, and the gap is shortened to what is really missing.
 */
export class GapRecord {
  readonly reason: GapReason;
  /** What it causes may not be sent before this sequence is released. */
  heldUntil = 0;
  #segments: GapSegment[];
  /** Whether the last segment can grow: nothing of it was ever sent, as a batch or in a gap. */
  #growing = false;
  /** The last sequences that were sent as the end of this gap. */
  #told: number[] = [];

  /** @param told whether an earlier process may have sent it */
  constructor(reason: GapReason, segments: readonly GapSegment[] = [], told = false) {
    this.reason = reason;
    this.#segments = [...segments];
    if (told) this.#told = [this.lastSequence];
  }

  get firstSequence(): number {
    return this.#segments[0].firstSequence;
  }

  get lastSequence(): number {
    return this.#segments[this.#segments.length - 1].lastSequence;
  }

  get batches(): number {
    return amountOf(this.#segments).batches;
  }

  /** Adds the batch that follows. @returns the segment that it has become part of */
  add({ sequence, samples, sentAtMs, reopened }: SpooledBatch): GapSegment {
    const unsent = sentAtMs === 0 && !reopened;
    const last = this.#segments.at(-1);
    const grows = unsent && this.#growing && last !== undefined;
    if (grows) this.#segments.pop();
    const segment = {
      firstSequence: grows ? last.firstSequence : sequence,
      lastSequence: sequence,
      samples: samples + (grows ? last.samples : 0),
      sent: !unsent,
    };
    this.#segments.push(segment);
    this.#growing = unsent;
    return segment;
  }

  /** Its form as of now, which counts as sent. */
  tell(): SpooledGap {
    const { firstSequence, lastSequence, reason } = this;
    this.#growing = false;
    if (this.#told.at(-1) !== lastSequence) this.#told.push(lastSequence);
    return { kind: "gap", firstSequence, lastSequence, samples: amountOf(this.#segments).samples, reason };
  }

  /**
   * Takes out what is settled. A gap is settled as a whole: a sequence that no gap was told to end with
   * shows that batches up to it had arrived.
   */
  settle(sequence: number): { kept: Amount; lost: Amount; over: boolean } {
    const neverSent = this.#segments.filter(({ sent }) => !sent).map(({ lastSequence }) => lastSequence);
    const lostThrough = [...this.#told, ...neverSent].reduce(
      (max, last) => (last <= sequence ? Math.max(max, last) : max),
      0,
    );
    const lost = this.#segments.filter(({ lastSequence }) => lastSequence <= lostThrough);
    const kept = this.#segments.filter(({ lastSequence }) => lastSequence > lostThrough && lastSequence <= sequence);
    this.#segments = this.#segments.slice(lost.length + kept.length);
    this.#told = this.#told.filter((last) => last > sequence);
    this.#shorten(sequence);
    return { kept: amountOf(kept), lost: amountOf(lost), over: this.#segments.length === 0 };
  }

  /** A mark inside a segment: what the segment held is not known by batch. */
  #shorten(sequence: number): void {
    const [first, ...others] = this.#segments;
    if (first === undefined || first.firstSequence > sequence) return;
    this.#segments = [{ ...first, firstSequence: sequence + 1 }, ...others];
  }
}

function amountOf(segments: readonly GapSegment[]): Amount {
  const batches = segments.reduce((sum, each) => sum + each.lastSequence - each.firstSequence + 1, 0);
  return { batches, samples: segments.reduce((sum, { samples }) => sum + samples, 0) };
}
