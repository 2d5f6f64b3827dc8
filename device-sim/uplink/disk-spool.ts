import type { GapSegment } from "./gap-record.ts";
import { MemorySpool, type SpoolState } from "./memory-spool.ts";
import type { SpoolBounds, SpooledBatch } from "./spool.ts";

/** What a disk spool has its keeper write. Nothing of it is on disk before the keeper's next commit. */
export interface SpoolWriter {
  sealed(handle: number, batch: SpooledBatch): void;
  /** The batch is replaced by the segment, which holds it. */
  dropped(handle: number, sequence: number, segment: GapSegment): void;
  /** May be written late: an older mark, with the batches behind it, is as true. */
  acked(handle: number, sequence: number, entries: number): void;
  met(handle: number, incarnation: Uint8Array): void;
  restored(handle: number, sequence: number, incarnation: Uint8Array, gap: GapSegment | undefined): void;
  /** Acked batches that are still kept, by sequence. */
  keptBetween(handle: number, after: number, through: number): SpooledBatch[];
}

/**
 * A spool that outlives its process. What is not settled is in memory as well: disk is where it comes back
 * from.
 */
export class DiskSpool extends MemorySpool {
  readonly #handle: number;
  readonly #writer: SpoolWriter;

  constructor(id: Uint8Array, handle: number, writer: SpoolWriter, bounds: SpoolBounds, state: SpoolState) {
    super(id, bounds, state);
    this.#handle = handle;
    this.#writer = writer;
  }

  protected override onAppended(batch: SpooledBatch): void {
    this.#writer.sealed(this.#handle, batch);
  }

  protected override onDropped({ sequence }: SpooledBatch, segment: GapSegment): void {
    this.#writer.dropped(this.#handle, sequence, segment);
  }

  protected override onAcked(sequence: number, entries: number): void {
    this.#writer.acked(this.#handle, sequence, entries);
  }

  protected override onMet(incarnation: Uint8Array): void {
    this.#writer.met(this.#handle, incarnation);
  }

  protected override onRestored(sequence: number, incarnation: Uint8Array, gap: GapSegment | undefined): void {
    this.#writer.restored(this.#handle, sequence, incarnation, gap);
  }

  /** The last of them, back to the first hole: what lies before it becomes a gap. */
  protected override keptAfter(sequence: number, last: number): SpooledBatch[] {
    const kept = this.#writer.keptBetween(this.#handle, sequence, last);
    let from = kept.length;
    while (from > 0 && kept[from - 1].sequence === last - (kept.length - from)) from -= 1;
    return kept.slice(from);
  }
}
