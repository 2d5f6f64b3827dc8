import { spoolIdBytes } from "../../lib/base/limits.ts";
import { GapReason } from "../../proto/gen/telemetry/v1/batch_pb.js";
import { GapRecord, type GapSegment } from "./gap-record.ts";
import type { Amount, Settled, Spool, SpoolBounds, SpooledBatch, SpooledGap, Spools } from "./spool.ts";

type Entry = SpooledBatch | GapRecord;

/** Where a spool is when it is opened. */
export interface SpoolState {
  readonly ackedSequence: number;
  readonly nextSequence: number;
  readonly incarnation: Uint8Array;
  /** Everything from `ackedSequence + 1` to before `nextSequence`, in order. */
  readonly entries: readonly Entry[];
}

const newSpool: SpoolState = { ackedSequence: 0, nextSequence: 1, incarnation: new Uint8Array(0), entries: [] };

/** A spool in memory. It is gone with its process: the next one is a new session. */
export class MemorySpool implements Spool {
  readonly id: Uint8Array;
  readonly #bounds: SpoolBounds;
  #entries: Entry[];
  /** Index of the next entry to send: those before it are under way. */
  #next = 0;
  #bytes = 0;
  #bytesUnderWay = 0;
  #lastSequence: number;
  #releasedSequence: number;
  #ackedSequence: number;
  #incarnation: Uint8Array;
  #waits = true;
  #onRoom: (() => void)[] = [];

  constructor(id: Uint8Array, bounds: SpoolBounds, state: SpoolState = newSpool) {
    this.id = id;
    this.#bounds = bounds;
    this.#entries = [...state.entries];
    this.#bytes = bytesOf(this.#entries);
    this.#lastSequence = state.nextSequence - 1;
    this.#releasedSequence = this.#lastSequence;
    this.#ackedSequence = state.ackedSequence;
    this.#incarnation = state.incarnation;
  }

  get nextSequence(): number {
    return this.#lastSequence + 1;
  }

  get ackedSequence(): number {
    return this.#ackedSequence;
  }

  get incarnation(): Uint8Array {
    return this.#incarnation;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get full(): boolean {
    return this.#bytes >= this.#bounds.bytesMax;
  }

  get unackedBatches(): number {
    return this.#entries.length === 0 ? 0 : this.#lastSequence - this.#ackedSequence;
  }

  get hasUnsent(): boolean {
    const entry = this.#entries[this.#next];
    if (entry === undefined) return false;
    // What is under way cannot be overwritten: it may take no more than the spool.
    if (this.#bytesUnderWay >= this.#bounds.bytesMax) return false;
    return (entry instanceof GapRecord ? entry.heldUntil : entry.sequence) <= this.#releasedSequence;
  }

  get nextWasSent(): boolean {
    const entry = this.#entries[this.#next];
    return entry !== undefined && !(entry instanceof GapRecord) && entry.sentAtMs > 0;
  }

  get startsWithGap(): boolean {
    return this.#entries[0] instanceof GapRecord;
  }

  async append(bytes: Uint8Array, samples: number): Promise<void> {
    this.#lastSequence += 1;
    const batch: SpooledBatch = {
      kind: "batch",
      sequence: this.#lastSequence,
      bytes,
      samples,
      reopened: false,
      sentAtMs: 0,
    };
    this.#entries.push(batch);
    this.#bytes += bytes.length;
    this.onAppended(batch);
    if (this.#bounds.whenFull === "overwrite") this.#overwrite();
    else while (this.full && this.#waits) await new Promise<void>((resolve) => this.#onRoom.push(resolve));
  }

  release(sequence: number): void {
    this.#releasedSequence = Math.max(this.#releasedSequence, sequence);
  }

  takeUnsent(nowMs: number): SpooledBatch | SpooledGap | undefined {
    if (!this.hasUnsent) return undefined;
    const entry = this.#entries[this.#next];
    this.#next += 1;
    if (entry instanceof GapRecord) return entry.tell();
    this.#bytesUnderWay += entry.bytes.length;
    entry.sentAtMs = nowMs;
    return entry;
  }

  *batches(): Iterable<SpooledBatch> {
    for (const entry of this.#entries) if (!(entry instanceof GapRecord)) yield entry;
  }

  rewind(): void {
    this.#next = 0;
    this.#bytesUnderWay = 0;
  }

  ack(sequence: number): Settled {
    if (sequence <= this.#ackedSequence) return { batches: [], kept: none, lost: none };
    this.#ackedSequence = sequence;
    const batches: SpooledBatch[] = [];
    let kept = none;
    let lost = none;
    let settled = 0;
    for (const entry of this.#entries) {
      if (entry instanceof GapRecord) {
        if (entry.firstSequence > sequence) break;
        const part = entry.settle(sequence);
        kept = sum(kept, part.kept);
        lost = sum(lost, part.lost);
        if (!part.over) break;
      } else if (entry.sequence > sequence) break;
      else batches.push(entry);
      settled += 1;
    }
    this.#entries.splice(0, settled);
    const bytes = bytesOf(batches);
    this.#bytes -= bytes;
    // What is settled was under way, or had been on an earlier call.
    this.#bytesUnderWay = this.#next >= settled ? this.#bytesUnderWay - bytes : 0;
    this.#next = Math.max(0, this.#next - settled);
    this.onAcked(sequence, settled);
    if (!this.full) this.#letWaitersGo();
    return { batches, kept, lost };
  }

  meet(incarnation: Uint8Array): void {
    if (Buffer.compare(incarnation, this.#incarnation) === 0) return;
    this.#incarnation = incarnation;
    this.onMet(incarnation);
  }

  restore(sequence: number, incarnation: Uint8Array): void {
    const acked = this.#ackedSequence;
    const again = this.keptAfter(sequence, acked);
    const lastLost = again.length === 0 ? acked : again[0].sequence - 1;
    // How many samples the lost batches held is not known any more.
    const segment = { firstSequence: sequence + 1, lastSequence: lastLost, samples: 0, sent: true };
    const lost = lastLost > sequence ? segment : undefined;
    const entries: Entry[] = lost === undefined ? again : [new GapRecord(GapReason.STORE_RESTORED, [lost]), ...again];
    this.#entries.unshift(...entries);
    this.#bytes += bytesOf(entries);
    this.#ackedSequence = sequence;
    this.#incarnation = incarnation;
    this.onRestored(sequence, incarnation, lost);
    this.rewind();
  }

  stopWaiting(): void {
    this.#waits = false;
    this.#letWaitersGo();
  }

  abandon(): void {
    this.#bytes = 0;
    this.#entries = [];
    this.rewind();
    this.#letWaitersGo();
  }

  // For a spool that keeps more than memory does.

  protected onAppended(_batch: SpooledBatch): void {}
  protected onDropped(_batch: SpooledBatch, _segment: GapSegment): void {}
  protected onAcked(_sequence: number, _entries: number): void {}
  protected onMet(_incarnation: Uint8Array): void {}
  protected onRestored(_sequence: number, _incarnation: Uint8Array, _gap: GapSegment | undefined): void {}
  /** Acked batches that are still there, without holes, up to `last`. */
  protected keptAfter(_sequence: number, _last: number): SpooledBatch[] {
    return [];
  }

  /** Drops the oldest batches that are not under way, until the newest fits. */
  #overwrite(): void {
    let at = this.#next;
    while (this.#entries[at] instanceof GapRecord) at += 1;
    for (let batch = this.#entries[at]; this.full && at < this.#entries.length - 1; batch = this.#entries[at]) {
      if (batch instanceof GapRecord) return;
      const before = at > this.#next ? this.#entries[at - 1] : undefined;
      if (before instanceof GapRecord && before.reason === GapReason.SPOOL_FULL) {
        this.#drop(batch, before);
        this.#entries.splice(at, 1);
      } else {
        const gap = new GapRecord(GapReason.SPOOL_FULL);
        this.#drop(batch, gap);
        this.#entries[at] = gap;
        at += 1;
      }
    }
  }

  #drop(batch: SpooledBatch, gap: GapRecord): void {
    // Not before the gap is kept: after a crash its batches would be sent, and be taken for settled.
    gap.heldUntil = this.#lastSequence;
    this.#bytes -= batch.bytes.length;
    this.onDropped(batch, gap.add(batch));
  }

  #letWaitersGo(): void {
    for (const resolve of this.#onRoom.splice(0)) resolve();
  }
}

const none = { batches: 0, samples: 0 };

function sum(a: Amount, b: Amount): Amount {
  return { batches: a.batches + b.batches, samples: a.samples + b.samples };
}

function bytesOf(entries: readonly Entry[]): number {
  return entries.reduce((bytes, entry) => bytes + (entry instanceof GapRecord ? 0 : entry.bytes.length), 0);
}

/** The spools of a process that keeps nothing. */
export class MemorySpools implements Spools {
  readonly #bounds: SpoolBounds;
  readonly #randomBytes: (length: number) => Uint8Array;
  #opened = 0;

  constructor(bounds: SpoolBounds, randomBytes: (length: number) => Uint8Array) {
    this.#bounds = bounds;
    this.#randomBytes = randomBytes;
  }

  open(): { spool: Spool; deviceHandle: number } {
    this.#opened += 1;
    return { spool: new MemorySpool(this.#randomBytes(spoolIdBytes), this.#bounds), deviceHandle: this.#opened };
  }
}
