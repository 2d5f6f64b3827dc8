import assert from "node:assert/strict";
import type { Database, Statement } from "better-sqlite3";
import { spoolIdBytes } from "../../lib/base/limits.ts";
import { GapReason } from "../../proto/gen/telemetry/v1/batch_pb.js";
import { DiskSpool, type SpoolWriter } from "./disk-spool.ts";
import { GapRecord, type GapSegment } from "./gap-record.ts";
import type { SpoolState } from "./memory-spool.ts";
import type { Spool, SpoolBounds, SpooledBatch, Spools } from "./spool.ts";
import { openSpoolDatabase } from "./spool-database.ts";

/** Acked entries are deleted in groups of this many, in the transaction of a group that is written anyway. */
const ackedEntriesMax = 512;

interface DeviceRow {
  readonly handle: number;
  readonly spool_id: Uint8Array;
  readonly next_sequence: number;
  readonly acked_sequence: number;
  readonly incarnation: Uint8Array;
}

/** The spools of a process, in one database: `commit` puts on disk what happened since the last one. */
export class DiskSpools implements Spools, SpoolWriter {
  readonly #db: Database;
  readonly #bounds: SpoolBounds;
  readonly #randomBytes: (length: number) => Uint8Array;
  readonly #statements: Statements;
  /** Writes since the last commit, in their order. */
  #writes: (() => void)[] = [];
  /** Next sequence by handle, of the spools that have sealed since the last commit. */
  readonly #nextSequences = new Map<number, number>();
  /** Acked sequence by handle, where entries up to it are still kept. */
  readonly #acked = new Map<number, number>();
  #ackedEntries = 0;
  /** The highest that was given. */
  #handles: number;
  readonly #write: (all: boolean) => void;

  /** @throws TelemetryError when the directory cannot be used */
  constructor(directory: string, bounds: SpoolBounds, randomBytes: (length: number) => Uint8Array) {
    this.#db = openSpoolDatabase(directory);
    this.#bounds = bounds;
    this.#randomBytes = randomBytes;
    this.#statements = prepareAll(this.#db);
    this.#handles = this.#db.prepare("SELECT coalesce(max(handle), 0) FROM devices").pluck().get() as number;
    this.#write = this.#db.transaction((all: boolean) => this.#writeGroup(all));
  }

  /** What is kept beside the spools, by name. */
  options(): Record<string, string> {
    const rows = this.#db.prepare("SELECT name, value FROM options").raw().all() as [string, string][];
    return Object.fromEntries(rows);
  }

  setOptions(options: Readonly<Record<string, string>>): void {
    const insert = this.#db.prepare("INSERT INTO options (name, value) VALUES (?, ?)");
    this.#db.transaction(() => {
      for (const [name, value] of Object.entries(options)) insert.run(name, value);
    })();
  }

  open(deviceId: string): { spool: Spool; deviceHandle: number } {
    const row = this.#statements.device.get(deviceId) as DeviceRow | undefined;
    const { handle, spool_id, ...mark } = row ?? this.#add(deviceId);
    const state: SpoolState = {
      ackedSequence: mark.acked_sequence,
      nextSequence: mark.next_sequence,
      incarnation: mark.incarnation,
      entries: this.#entries(handle),
    };
    const batches = state.entries.reduce((sum, each) => sum + (each instanceof GapRecord ? each.batches : 1), 0);
    assert.equal(mark.acked_sequence + batches + 1, mark.next_sequence, `the spool of ${deviceId} has no holes`);
    return { spool: new DiskSpool(spool_id, handle, this, this.#bounds, state), deviceHandle: handle };
  }

  /** Returns when it is on disk. @throws when it cannot be written: nothing of it may be sent then */
  commit(): void {
    if (this.#writes.length > 0 || this.#nextSequences.size > 0) this.#write(this.#ackedEntries >= ackedEntriesMax);
  }

  close(): void {
    this.#write(true);
    this.#db.close();
  }

  sealed(handle: number, { sequence, samples, bytes }: SpooledBatch): void {
    this.#writes.push(() => this.#statements.addBatch.run(handle, sequence, samples, bytes));
    this.#nextSequences.set(handle, sequence + 1);
  }

  dropped(handle: number, sequence: number, segment: GapSegment): void {
    this.#writes.push(() => {
      this.#statements.deleteBatch.run(handle, sequence);
      this.#addGap(handle, segment, GapReason.SPOOL_FULL);
    });
  }

  acked(handle: number, sequence: number, entries: number): void {
    this.#acked.set(handle, sequence);
    this.#ackedEntries += entries;
  }

  met(handle: number, incarnation: Uint8Array): void {
    this.#writes.push(() => this.#statements.setIncarnation.run(incarnation, handle));
  }

  restored(handle: number, sequence: number, incarnation: Uint8Array, gap: GapSegment | undefined): void {
    const acked = this.#acked.get(handle);
    this.#acked.delete(handle);
    this.#writes.push(() => {
      this.#statements.setAcked.run(sequence, handle);
      this.#statements.setIncarnation.run(incarnation, handle);
      if (gap === undefined) return;
      // Batches before a hole, and gaps that were settled and not deleted yet, are part of this gap.
      this.#statements.deleteBatches.run(handle, gap.lastSequence);
      this.#statements.deleteGaps.run(handle, Math.max(gap.lastSequence, acked ?? 0));
      this.#addGap(handle, gap, GapReason.STORE_RESTORED);
    });
  }

  keptBetween(handle: number, after: number, through: number): SpooledBatch[] {
    return (this.#statements.batchesBetween.all(handle, after, through) as BatchRow[]).map(reopen);
  }

  #add(deviceId: string): DeviceRow {
    const spoolId = this.#randomBytes(spoolIdBytes);
    this.#handles += 1;
    const handle = this.#handles;
    // With the first group: until then nothing has been sent from this spool.
    this.#writes.push(() => this.#statements.addDevice.run(handle, deviceId, spoolId));
    return { handle, spool_id: spoolId, next_sequence: 1, acked_sequence: 0, incarnation: new Uint8Array(0) };
  }

  #entries(handle: number): (SpooledBatch | GapRecord)[] {
    const batches = (this.#statements.batches.all(handle) as BatchRow[]).map(reopen);
    const gaps = gapsOf(this.#statements.gaps.all(handle) as GapRow[]);
    const first = (entry: SpooledBatch | GapRecord) =>
      entry instanceof GapRecord ? entry.firstSequence : entry.sequence;
    return [...gaps, ...batches].sort((a, b) => first(a) - first(b));
  }

  #addGap(handle: number, { firstSequence, lastSequence, samples, sent }: GapSegment, reason: GapReason): void {
    this.#statements.addGap.run(handle, firstSequence, lastSequence, samples, Number(sent), reason);
  }

  #writeGroup(all: boolean): void {
    for (const write of this.#writes) write();
    for (const [handle, sequence] of this.#nextSequences) this.#statements.setNext.run(sequence, handle);
    this.#writes = [];
    this.#nextSequences.clear();
    if (!all) return;
    for (const [handle, sequence] of this.#acked) {
      this.#statements.setAcked.run(sequence, handle);
      this.#statements.deleteBatches.run(handle, sequence);
      this.#statements.deleteGaps.run(handle, sequence);
      this.#statements.shortenGap.run(sequence + 1, handle, sequence, sequence);
    }
    this.#acked.clear();
    this.#ackedEntries = 0;
  }
}

interface BatchRow {
  readonly sequence: number;
  readonly samples: number;
  readonly bytes: Uint8Array;
}

interface GapRow {
  readonly first_sequence: number;
  readonly last_sequence: number;
  readonly samples: number;
  readonly sent: number;
  readonly reason: GapReason;
}

function reopen({ sequence, samples, bytes }: BatchRow): SpooledBatch {
  return { kind: "batch", sequence, samples, bytes, reopened: true, sentAtMs: 0 };
}

/** Segments that follow each other, and have one reason, are one gap. */
function gapsOf(rows: readonly GapRow[]): GapRecord[] {
  const gaps: { reason: GapReason; segments: GapSegment[] }[] = [];
  for (const { samples, reason, ...row } of rows) {
    const { first_sequence: firstSequence, last_sequence: lastSequence } = row;
    const gap = gaps.at(-1);
    const segment = { firstSequence, lastSequence, samples, sent: row.sent === 1 };
    if (gap?.reason === reason && gap.segments.at(-1)?.lastSequence === firstSequence - 1) gap.segments.push(segment);
    else gaps.push({ reason, segments: [segment] });
  }
  return gaps.map(({ reason, segments }) => new GapRecord(reason, segments, true));
}

type Statements = ReturnType<typeof prepareAll>;

function prepareAll(db: Database) {
  const prepare = (sql: string): Statement => db.prepare(sql);
  const deviceColumns = "handle, spool_id, next_sequence, acked_sequence, incarnation";
  return {
    device: prepare(`SELECT ${deviceColumns} FROM devices WHERE device_id = ?`),
    addDevice: prepare(
      `INSERT INTO devices (handle, device_id, spool_id, next_sequence, acked_sequence, incarnation)
       VALUES (?, ?, ?, 1, 0, x'')`,
    ),
    batches: prepare("SELECT sequence, samples, bytes FROM batches WHERE handle = ? ORDER BY sequence"),
    batchesBetween: prepare(
      "SELECT sequence, samples, bytes FROM batches WHERE handle = ? AND sequence > ? AND sequence <= ? ORDER BY sequence",
    ),
    gaps: prepare("SELECT * FROM gaps WHERE handle = ? ORDER BY first_sequence"),
    addBatch: prepare("INSERT INTO batches (handle, sequence, samples, bytes) VALUES (?, ?, ?, ?)"),
    deleteBatch: prepare("DELETE FROM batches WHERE handle = ? AND sequence = ?"),
    deleteBatches: prepare("DELETE FROM batches WHERE handle = ? AND sequence <= ?"),
    addGap: prepare(
      `INSERT INTO gaps (handle, first_sequence, last_sequence, samples, sent, reason) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET last_sequence = excluded.last_sequence, samples = excluded.samples`,
    ),
    deleteGaps: prepare("DELETE FROM gaps WHERE handle = ? AND last_sequence <= ?"),
    shortenGap: prepare(
      "UPDATE gaps SET first_sequence = ? WHERE handle = ? AND first_sequence <= ? AND last_sequence > ?",
    ),
    setNext: prepare("UPDATE devices SET next_sequence = ? WHERE handle = ?"),
    setAcked: prepare("UPDATE devices SET acked_sequence = ? WHERE handle = ?"),
    setIncarnation: prepare("UPDATE devices SET incarnation = ? WHERE handle = ?"),
  };
}
