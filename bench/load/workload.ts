import type { Clock } from "../../lib/base/clock.ts";
import type { Cell } from "../cell.ts";
import { Bodies } from "./bodies.ts";
import { bodyFormatOf } from "./body-format.ts";
import { type Device, devicesOf } from "./device.ts";
import { BatchWriter, type MessageSource, type Outgoing, PendingMessages } from "./message-source.ts";

export const benchDevicePrefix = "bench-";

export interface WorkloadOptions {
  readonly cell: Cell;
  readonly seed: number;
  readonly clock: Clock;
  /** Samples of the first device have the present time, for a subscription that measures how fresh they are. */
  readonly hasProbe?: boolean;
}

/**
 * What a trial sends: batch `k` of device `d`, both from 0, has body `(d + k) % bodies`, so that how many batches of
 * each device are settled says what its series hold.
 */
export class Workload implements MessageSource {
  readonly devices: readonly Device[];
  readonly bodies: Bodies;
  /** Batches of each device that are settled. */
  readonly settledBatches: Uint32Array;
  readonly #cell: Cell;
  readonly #probe: Device | undefined;
  readonly #writer: BatchWriter;
  readonly #pending = new PendingMessages((slot) => this.#make(slot));
  readonly #sequences: Uint32Array;
  /** Of each slot: whose turn it is. */
  readonly #turns: Uint32Array;

  constructor({ cell, seed, clock, hasProbe = false }: WorkloadOptions) {
    const format = bodyFormatOf(cell);
    this.#cell = cell;
    this.devices = devicesOf({ prefix: benchDevicePrefix, count: cell.devices, metrics: cell.metrics, seed });
    this.bodies = new Bodies(cell, { seed, format, clock });
    this.settledBatches = new Uint32Array(cell.devices);
    this.#probe = hasProbe ? this.devices[0] : undefined;
    this.#writer = new BatchWriter(format);
    this.#sequences = new Uint32Array(cell.devices);
    this.#turns = new Uint32Array(cell.slots);
  }

  get samplesPerMessage(): number {
    return this.#cell.batchSamples * this.#cell.batchesPerMessage;
  }

  /** Slots whose message was not settled: it was cut off, and is to be sent again. */
  get unsettledSlots(): readonly number[] {
    return this.#pending.slots;
  }

  slotOf({ handle }: Device): number {
    return (handle - 1) % this.#cell.slots;
  }

  take(slot: number): readonly Outgoing[] {
    return this.#pending.take(slot);
  }

  settle(slot: number): void {
    for (const { device } of this.#pending.settle(slot)) this.settledBatches[device.handle - 1] += 1;
  }

  #make(slot: number): Outgoing[] {
    const { slots, devices, batchesPerMessage } = this.#cell;
    const slotDevices = Math.floor((devices - 1 - slot) / slots) + 1;
    return Array.from({ length: batchesPerMessage }, () => {
      const turn = this.#turns[slot];
      this.#turns[slot] = (turn + 1) % slotDevices;
      return this.#next(slot + turn * slots);
    });
  }

  #next(index: number): Outgoing {
    const device = this.devices[index];
    const sequence = this.#sequences[index] + 1;
    this.#sequences[index] = sequence;
    const body = (index + sequence - 1) % this.bodies.all.length;
    const tail = device === this.#probe ? this.bodies.freshTail(body) : this.bodies.tail(body);
    return this.#writer.write(device, sequence, tail);
  }
}
