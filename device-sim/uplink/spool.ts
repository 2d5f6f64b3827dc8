import type { GapReason } from "../../proto/gen/telemetry/v1/batch_pb.js";

/** A batch that waits to be sent, or for its ack. */
export interface SpooledBatch {
  readonly kind: "batch";
  readonly sequence: number;
  /** The encoded batch: it never changes. */
  readonly bytes: Uint8Array;
  readonly samples: number;
  /** Whether an earlier process sealed it, and may have sent it. */
  readonly reopened: boolean;
  /** When it was handed to the network last; 0: never. */
  sentAtMs: number;
}

/** Batches that are gone, to be told to the server in their place. */
export interface SpooledGap {
  readonly kind: "gap";
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** 0: not known. */
  readonly samples: number;
  readonly reason: GapReason;
}

export interface Amount {
  readonly batches: number;
  readonly samples: number;
}

/** What an ack has settled. */
export interface Settled {
  readonly batches: readonly SpooledBatch[];
  /** Overwritten here, but the server had them by then. */
  readonly kept: Amount;
  /** Recorded as lost. */
  readonly lost: Amount;
}

/** What a full spool does: makes its source wait, or drops the oldest batches that are not under way. */
export const spoolFullPolicies = ["block", "overwrite"] as const;
export type SpoolFullPolicy = (typeof spoolFullPolicies)[number];

export interface SpoolBounds {
  /** A batch is taken as long as less than this is spooled; with `overwrite`, older ones then make room. */
  readonly bytesMax: number;
  readonly whenFull: SpoolFullPolicy;
}

/** What a device has sealed and has not seen acked, bounded in bytes. */
export interface Spool {
  /** 16 random bytes: a new spool is a new session. */
  readonly id: Uint8Array;
  /** The store whose acks it has; empty: not known. */
  readonly incarnation: Uint8Array;
  readonly nextSequence: number;
  /** Highest sequence that is settled at the server. */
  readonly ackedSequence: number;
  readonly bytes: number;
  /** Whether there is no room for another batch until some are acked, or overwritten. */
  readonly full: boolean;
  /** Batches that were sealed and are not settled, those of gaps included. */
  readonly unackedBatches: number;
  /** Whether `takeUnsent` would give something. */
  readonly hasUnsent: boolean;
  /** Whether the batch that `takeUnsent` would give was sent before. */
  readonly nextWasSent: boolean;
  /** Whether a gap comes before everything else that is not settled. */
  readonly startsWithGap: boolean;

  /**
   * Adds the batch with `nextSequence`; it can be taken after `release`.
   * @returns when there is room for another
   */
  append(bytes: Uint8Array, samples: number): Promise<void>;
  /** Everything up to the sequence may be sent: what must be kept of it is kept. */
  release(sequence: number): void;
  /** The next batch or gap to send; it counts as sent. */
  takeUnsent(nowMs: number): SpooledBatch | SpooledGap | undefined;
  /** The batches that are not settled, in order. */
  batches(): Iterable<SpooledBatch>;
  /** Everything that is not settled will be sent again. */
  rewind(): void;
  /** Drops what is settled. */
  ack(sequence: number): Settled;
  /** Acks come from this store. */
  meet(incarnation: Uint8Array): void;
  /**
   * The server has been set back to a sequence that is below the acked one. What is still here is sent
   * again, and what is not becomes a gap before it.
   */
  restore(sequence: number, incarnation: Uint8Array): void;
  /** From now on nobody waits for room: the source is about to end. */
  stopWaiting(): void;
  /** Lets everyone go on who waits for room: there will be none. Nothing is sent any more. */
  abandon(): void;
}

/** The spools of a process. */
export interface Spools {
  /** @returns the device's spool, and the handle that its batches carry, unique among the spools */
  open(deviceId: string): { readonly spool: Spool; readonly deviceHandle: number };
}
