import type { BodyFormat } from "./body-format.ts";
import { type Device, oncePerDevice } from "./device.ts";

/** One batch, encoded. */
export interface Outgoing {
  readonly device: Device;
  readonly sequence: number;
  readonly bytes: Buffer;
}

/** The messages of a load, slot by slot. Each device belongs to one slot, so that its batches are sent in sequence. */
export interface MessageSource {
  readonly devices: readonly Device[];
  slotOf(device: Device): number;
  /**
   * The batches of the slot's next message, each of another device: the same ones again until they are settled.
   * @param dueMs when it was to be sent (`Clock.elapsedMs`); undefined: now
   */
  take(slot: number, dueMs?: number): readonly Outgoing[];
  settle(slot: number): void;
}

/** Messages that are under way, one per slot at most. */
export class PendingMessages {
  readonly #make: (slot: number, dueMs?: number) => readonly Outgoing[];
  readonly #bySlot = new Map<number, readonly Outgoing[]>();

  constructor(make: (slot: number, dueMs?: number) => readonly Outgoing[]) {
    this.#make = make;
  }

  /** Slots whose message has been taken and is not settled. */
  get slots(): number[] {
    return [...this.#bySlot.keys()];
  }

  take(slot: number, dueMs?: number): readonly Outgoing[] {
    const before = this.#bySlot.get(slot);
    if (before !== undefined) return before;
    const message = this.#make(slot, dueMs);
    this.#bySlot.set(slot, message);
    return message;
  }

  /** @returns what is settled with it */
  settle(slot: number): readonly Outgoing[] {
    const settled = this.#bySlot.get(slot) ?? [];
    this.#bySlot.delete(slot);
    return settled;
  }
}

/** Puts the parts of a batch together (`body-format.ts`). */
export class BatchWriter {
  readonly #format: BodyFormat;
  readonly #headOf: (device: Device) => Uint8Array;

  constructor(format: BodyFormat) {
    this.#format = format;
    this.#headOf = oncePerDevice((device) => format.head(device));
  }

  write(device: Device, sequence: number, tail: Uint8Array): Outgoing {
    const middle = this.#format.middle(device, sequence, tail.length);
    return { device, sequence, bytes: Buffer.concat([this.#headOf(device), middle, tail]) };
  }
}
