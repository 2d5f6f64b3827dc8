import { MemorySpool } from "../../device-sim/uplink/memory-spool.ts";
import type { Spool, SpoolBounds, Spools } from "../../device-sim/uplink/spool.ts";
import type { LoadTally } from "./load-tally.ts";

/** A device's spool in memory, which knows when each of its batches was due. */
export class LoadSpool extends MemorySpool {
  readonly #tally: LoadTally;
  readonly #elapsedMs: () => number;
  /** Of the batches that are not acked, in order. */
  #dueMs: number[] = [];
  #batchesAcked = 0;
  #abandoned = false;

  /** @param elapsedMs since the start of the load */
  constructor(id: Uint8Array, bounds: SpoolBounds, tally: LoadTally, elapsedMs: () => number) {
    super(id, bounds);
    this.#tally = tally;
    this.#elapsedMs = elapsedMs;
  }

  /** The batch that is appended next was due then. */
  expect(dueMs: number): void {
    this.#dueMs.push(dueMs);
    this.#tally.batchesSealed += 1;
  }

  /** Batches that were sealed, whatever became of them. */
  get batchesSealed(): number {
    return this.nextSequence - 1;
  }

  /** Nothing more will be acked. */
  giveUp(): void {
    const nowMs = this.#elapsedMs();
    for (const dueMs of this.#dueMs) this.#tally.gaveUp(nowMs - dueMs);
    this.#dueMs = [];
  }

  override abandon(): void {
    super.abandon();
    if (this.#abandoned) return;
    this.#abandoned = true;
    this.#tally.devicesFailed += 1;
    this.#tally.batchesAbandoned += this.#dueMs.length;
  }

  protected override onAcked(sequence: number): void {
    const batches = Math.min(sequence - this.#batchesAcked, this.#dueMs.length);
    // A server that was set back acks some of them again.
    if (batches <= 0) return;
    const nowMs = this.#elapsedMs();
    for (let i = 0; i < batches; i += 1) this.#tally.acked(nowMs - this.#dueMs[i]);
    this.#dueMs.splice(0, batches);
    if (this.#abandoned) this.#tally.batchesAbandoned -= batches;
    this.#batchesAcked = sequence;
  }

  protected override onMet(): void {
    this.#tally.devicesRegistered += 1;
  }
}

/** The spools of a load, in the order of its devices. */
export class LoadSpools implements Spools {
  readonly opened: LoadSpool[] = [];
  readonly #make: () => LoadSpool;

  constructor(make: () => LoadSpool) {
    this.#make = make;
  }

  open(): { spool: Spool; deviceHandle: number } {
    const spool = this.#make();
    return { spool, deviceHandle: this.opened.push(spool) };
  }
}
