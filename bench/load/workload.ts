import type { Clock } from "../../lib/base/clock.ts";
import type { Cell } from "../cell.ts";
import { Bodies } from "./bodies.ts";
import { bodyFormatOf } from "./body-format.ts";
import { type Device, devicesOf } from "./device.ts";
import { BatchWriter, type MessageSource, type Outgoing, PendingMessages } from "./message-source.ts";
import type { Probes } from "./probes.ts";

export const benchDevicePrefix = "bench-";

export interface WorkloadOptions {
  readonly cell: Cell;
  readonly seed: number;
  readonly clock: Clock;
  /** Told of the first device's batches, whose samples have the present time: a subscription measures how fresh they are. */
  readonly probes?: Probes | undefined;
}

/**
 * What a trial sends. Each device begins with the primer; batch `k` after it of device `d`, both from 0, has body
 * `(d + k) % bodies`: so how many batches of each device are settled says what its series hold.
 */
export class Workload implements MessageSource {
  readonly devices: readonly Device[];
  readonly bodies: Bodies;
  /** Batches of each device that are settled. */
  readonly settledBatches: Uint32Array;
  readonly #cell: Cell;
  readonly #clock: Clock;
  readonly #probes: Probes | undefined;
  readonly #writer: BatchWriter;
  readonly #pending = new PendingMessages((slot, dueMs) => this.#make(slot, dueMs));
  readonly #sequences: Uint32Array;
  /** Of each slot: whose turn it is. */
  readonly #turns: Uint32Array;

  constructor({ cell, seed, clock, probes }: WorkloadOptions) {
    const format = bodyFormatOf(cell);
    this.#cell = cell;
    this.devices = devicesOf({ prefix: benchDevicePrefix, count: cell.devices, metrics: cell.metrics, seed });
    this.bodies = new Bodies(cell, { seed, format, clock });
    this.settledBatches = new Uint32Array(cell.devices);
    this.#clock = clock;
    this.#probes = probes;
    this.#writer = new BatchWriter(format);
    this.#sequences = new Uint32Array(cell.devices);
    this.#turns = new Uint32Array(cell.slots);
  }

  get samplesPerMessage(): number {
    return this.#cell.batchSamples * this.#cell.batchesPerMessage;
  }

  /** Slots whose message has been taken and is not settled. */
  get unsettledSlots(): readonly number[] {
    return this.#pending.slots;
  }

  slotOf({ handle }: Device): number {
    return (handle - 1) % this.#cell.slots;
  }

  /** Whether the first batch of all devices of the slot is settled: then the server knows them and their metrics. */
  isPrimed(slot: number): boolean {
    // They take turns, and this is the last.
    return this.settledBatches[slot + (this.#devicesOf(slot) - 1) * this.#cell.slots] > 0;
  }

  take(slot: number, dueMs?: number): readonly Outgoing[] {
    return this.#pending.take(slot, dueMs);
  }

  settle(slot: number): void {
    for (const { device } of this.#pending.settle(slot)) this.settledBatches[device.handle - 1] += 1;
  }

  #devicesOf(slot: number): number {
    const { slots, devices } = this.#cell;
    return Math.floor((devices - 1 - slot) / slots) + 1;
  }

  #make(slot: number, dueMs = this.#clock.elapsedMs()): Outgoing[] {
    const { slots, batchesPerMessage } = this.#cell;
    const slotDevices = this.#devicesOf(slot);
    return Array.from({ length: batchesPerMessage }, () => {
      const turn = this.#turns[slot];
      this.#turns[slot] = (turn + 1) % slotDevices;
      return this.#next(slot + turn * slots, dueMs);
    });
  }

  #next(index: number, dueMs: number): Outgoing {
    const device = this.devices[index];
    const sequence = this.#sequences[index] + 1;
    this.#sequences[index] = sequence;
    return this.#writer.write(device, sequence, this.#tail(index, sequence, dueMs));
  }

  #tail(index: number, sequence: number, dueMs: number): Uint8Array {
    const { all, primer } = this.bodies;
    const body = sequence === 1 ? primer : all[(index + sequence - 2) % all.length];
    if (this.#probes === undefined || index > 0) return this.bodies.tail(body);
    return this.bodies.freshTail(body, this.#probes.sent(dueMs));
  }
}
