import type { Clock } from "../../lib/base/clock.ts";
import { waitFor } from "../../lib/base/wait.ts";
import { Latencies } from "../load/latencies.ts";
import type { DueTimes } from "./due-times.ts";
import type { LoadDevices } from "./load-devices.ts";
import type { LoadTally } from "./load-tally.ts";

/** Sealing gives way to the sockets after so long. */
const turnMsMax = 5;
/** How often it is looked for room. */
const roomMs = 2;
/** The load may be stopped meanwhile. */
const waitMsMax = 50;

export interface PacerOptions {
  readonly dueTimes: DueTimes;
  readonly devices: LoadDevices;
  readonly tally: LoadTally;
  readonly clock: Clock;
  /** Sealed batches that wait for their acks, at most: the bound on memory. */
  readonly batchesWaitingMax: number;
}

/** Has each batch sealed when it is due. Where there is no room, it is sealed later, and was due all the same. */
export class Pacer {
  /** How late batches were sealed by the generator's own doing: not those for which there was no room. */
  readonly lateMs = new Latencies();
  readonly #options: PacerOptions;
  #startedMs = 0;
  /** The time of day at the start. */
  #startedAtMs = 0;
  /** Until then there was no room. */
  #heldUntilMs = 0;

  constructor(options: PacerOptions) {
    this.#options = options;
  }

  /** The load begins now. */
  start(): void {
    const { clock } = this.#options;
    this.#startedMs = clock.elapsedMs();
    this.#startedAtMs = clock.nowMs();
  }

  get startedAtMs(): number {
    return this.#startedAtMs;
  }

  /** Milliseconds since the start. */
  elapsedMs(): number {
    return this.#options.clock.elapsedMs() - this.#startedMs;
  }

  /** Seals what is due until everything is sealed, or the signal is aborted, or no device is left. */
  async run(stop: AbortSignal): Promise<void> {
    const { dueTimes, devices, tally } = this.#options;
    while (!stop.aborted && tally.devicesFailed < devices.ids.length && dueTimes.nextMs !== Number.POSITIVE_INFINITY) {
      const hasRoom = this.#sealDue();
      const waitMs = hasRoom ? dueTimes.nextMs - this.elapsedMs() : roomMs;
      if (waitMs > 0) await waitFor(Math.min(waitMs, waitMsMax), stop);
      else await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** @returns whether there is room for more */
  #sealDue(): boolean {
    const { dueTimes, devices, tally, batchesWaitingMax } = this.#options;
    const untilMs = this.elapsedMs();
    for (let nowMs = untilMs; nowMs - untilMs < turnMsMax; nowMs = this.elapsedMs()) {
      const dueMs = dueTimes.nextMs;
      if (dueMs > nowMs) break;
      if (tally.batchesWaiting >= batchesWaitingMax) {
        this.#heldUntilMs = nowMs + roomMs;
        return false;
      }
      this.lateMs.record(nowMs - Math.max(dueMs, this.#heldUntilMs));
      devices.seal(dueMs, this.#startedAtMs + dueMs);
      dueTimes.advance();
    }
    return true;
  }
}
