import type { Clock } from "../lib/base/clock.ts";
import { invalidField } from "../lib/base/errors.ts";
import { waitFor } from "../lib/base/wait.ts";

/** How fast event time runs: 1 is real time, 60 a minute per second, infinity as fast as the server takes it. */
export type Speed = number;

/** @throws TelemetryError when it is none of `realtime`, `max`, `60x` */
export function parseSpeed(text: string, field = "speed"): Speed {
  if (text === "realtime") return 1;
  if (text === "max") return Number.POSITIVE_INFINITY;
  const factor = /^(\d+(?:\.\d+)?)x$/.exec(text)?.[1];
  if (factor === undefined || Number(factor) <= 0) {
    throw invalidField(field, `is ${JSON.stringify(text)}`, "write realtime, max, or a factor such as 60x");
  }
  return Number(factor);
}

const turnMsMax = 5;

/** Holds event time to the clock. */
export class Pace {
  readonly speed: Speed;
  readonly #clock: Clock;
  readonly #startedMs: number;
  readonly #originMs: number;
  readonly #neverAhead: boolean;
  #yieldedMs: number;
  #nextTurn: Promise<void> | undefined;

  /**
   * @param originMs the event time that is now
   * @param neverAhead whether no event time is due before the time of day has come to it: what a fast
   * simulation has caught up with, it follows in real time
   * @param agoMs how long ago the origin was now
   */
  constructor(speed: Speed, originMs: number, clock: Clock, neverAhead: boolean, agoMs = 0) {
    this.#neverAhead = neverAhead;
    this.speed = speed;
    this.#clock = clock;
    this.#startedMs = clock.elapsedMs() - agoMs;
    this.#yieldedMs = clock.elapsedMs();
    this.#originMs = originMs;
  }

  /** Waits until an event time is due. */
  async due(timeMs: number, signal: AbortSignal): Promise<void> {
    for (;;) {
      const pacedMs = this.#startedMs + (timeMs - this.#originMs) / this.speed - this.#clock.elapsedMs();
      const waitMs = this.#neverAhead ? Math.max(pacedMs, timeMs - this.#clock.nowMs()) : pacedMs;
      if (signal.aborted) return;
      if (waitMs <= 0) return await this.#letOthersRun();
      await waitFor(waitMs, signal);
    }
  }

  /**
   * At full speed nothing waits, and sockets are served only between turns of the event loop. Whoever shares the
   * pace waits for the same turn: one turn each would keep the sockets waiting for all of them.
   */
  async #letOthersRun(): Promise<void> {
    if (this.#clock.elapsedMs() - this.#yieldedMs < turnMsMax) return;
    this.#nextTurn ??= this.#turn();
    await this.#nextTurn;
  }

  async #turn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#nextTurn = undefined;
    this.#yieldedMs = this.#clock.elapsedMs();
  }
}
