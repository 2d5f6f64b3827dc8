import { Prng } from "../../lib/base/prng.ts";
import { rampShape } from "../load/schedule.ts";

export const loadArrivals = ["constant", "poisson"] as const;
export type LoadArrival = (typeof loadArrivals)[number];

export interface DueTimesOptions {
  readonly arrival: LoadArrival;
  /** When the ramp is over. */
  readonly batchesPerSecond: number;
  /** From nothing, linearly. 0: none. */
  readonly rampMs: number;
  readonly durationMs: number;
  readonly seed: number;
}

/** So that a sum of fractions that comes to a whole number counts as one. */
const rounding = 1e-9;

/**
 * The intended times of a load's batches, in milliseconds after its start, ascending: `scheduleOf` one by one, so that
 * a load of a day takes no more memory than one of a second. They follow from the options alone: nothing that the
 * server does moves them.
 */
export class DueTimes {
  readonly #options: DueTimesOptions;
  readonly #perMs: number;
  readonly #prng: Prng | undefined;
  readonly #timeOf: (batches: number) => number;
  readonly #batches: number;
  #endsAtMs = Number.POSITIVE_INFINITY;
  /** In batches: gaps are 1, or exponential with a mean of 1, whatever the rate is. */
  #at = 0;
  #nextMs = 0;

  constructor(options: DueTimesOptions) {
    const { arrival, batchesPerSecond, durationMs, rampMs, seed } = options;
    this.#options = options;
    this.#perMs = batchesPerSecond / 1_000;
    const { due, timeOf } = rampShape(this.#perMs, durationMs, rampMs);
    this.#batches = due;
    this.#timeOf = timeOf;
    if (arrival === "poisson") {
      this.#prng = new Prng(seed, "arrivals");
      this.#at = this.#gap();
    }
    this.#nextMs = this.#timeOf(this.#at);
  }

  /** When the next batch is due; infinity: there is none any more. */
  get nextMs(): number {
    return this.#at < this.#batches - rounding && this.#nextMs <= this.#endsAtMs
      ? this.#nextMs
      : Number.POSITIVE_INFINITY;
  }

  /** Goes on to the one after it. */
  advance(): void {
    this.#at += this.#gap();
    this.#nextMs = this.#timeOf(this.#at);
  }

  /** What is due later is not any more. */
  endAt(ms: number): void {
    this.#endsAtMs = ms;
  }

  /** Batches due until then: in the mean, when they come at random. */
  dueBy(ms: number): number {
    const untilMs = Math.max(0, Math.min(ms, this.#options.durationMs, this.#endsAtMs));
    return rampShape(this.#perMs, untilMs, this.#options.rampMs).due;
  }

  #gap(): number {
    return this.#prng === undefined ? 1 : -Math.log(1 - this.#prng.uniform());
  }
}
