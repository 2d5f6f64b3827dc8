import { Prng } from "../lib/base/prng.ts";
import type { Reading } from "./readings.ts";

/** How far a fleet is from the ideal. What is lost and late is drawn for each device from the fleet's seed. */
export interface DisorderOptions {
  /** Share of the readings that are sent late, 0 to 1. */
  readonly outOfOrderRate: number;
  /** How late at most, in event time. */
  readonly lateMsMax: number;
  /** Share of the readings that are never made, 0 to 1. */
  readonly missingRate: number;
  /** Share of the time that a device is offline, 0 to 1. */
  readonly offlineRate: number;
  /** How long it is offline at a time at most, in event time. */
  readonly offlineMsMax: number;
}

/** Disorder with a name, and the share of the batches that its senders send again. */
export const disorderProfiles = {
  trucks: {
    outOfOrderRate: 0.3,
    lateMsMax: 5 * 60_000,
    missingRate: 0.1,
    offlineRate: 0.05,
    offlineMsMax: 10 * 60_000,
    resendRate: 0.01,
  },
} as const satisfies Readonly<Record<string, DisorderOptions & { readonly resendRate: number }>>;
export type DisorderProfile = keyof typeof disorderProfiles;

/** What has come of it so far, for a whole fleet. */
export interface DisorderTally {
  readingsLate: number;
  readingsMissing: number;
  timesOffline: number;
}

/** One device holds back so many readings at most. Trucks hold 45 at 1 s; all of these with ten metrics are 400 KiB. */
export const heldReadingsMax = 1_024;
/** Values in the held readings of one device at most: 128 KiB. */
export const heldValuesMax = 16 * 1_024;

interface Held {
  readonly dueMs: number;
  readonly reading: Reading;
}

/**
 * Leaves readings of a device out, and holds some back until later ones are sent: a pure function of the readings and
 * the seed, whenever it is stopped. Which readings are missing does not depend on what is late, nor the other way
 * round. When the bound on held readings is reached, the one that is due next goes early.
 */
export class Disorder {
  readonly #options: DisorderOptions;
  readonly #missing: Prng;
  readonly #late: Prng;
  readonly #tally: DisorderTally;
  readonly #heldMax: number;
  /** By the time at which they are due. */
  readonly #held: Held[] = [];

  /** @param metrics values per reading */
  constructor(options: DisorderOptions, seed: number, device: number, metrics: number, tally: DisorderTally) {
    this.#options = options;
    this.#missing = new Prng(seed, `device ${device} missing`);
    this.#late = new Prng(seed, `device ${device} late`);
    this.#tally = tally;
    this.#heldMax = Math.max(1, Math.min(heldReadingsMax, Math.floor(heldValuesMax / metrics)));
  }

  /** @returns what the device sends when it makes the reading: first the reading, then what has become due */
  *add(reading: Reading): Generator<Reading, void> {
    const { outOfOrderRate, lateMsMax, missingRate } = this.#options;
    // Always drawn, all of them: one rate then decides nothing about another one's readings.
    const missing = this.#missing.uniform() < missingRate;
    const late = this.#late.uniform() < outOfOrderRate;
    const dueMs = reading.timeMs + (1 - this.#late.uniform()) * lateMsMax;
    if (missing) this.#tally.readingsMissing += 1;
    else if (!late) yield reading;
    while (this.#held.length > 0 && this.#held[0].dueMs <= reading.timeMs) yield this.#takeFirst();
    if (missing || !late) return;
    this.#tally.readingsLate += 1;
    this.#hold({ dueMs, reading });
    if (this.#held.length > this.#heldMax) yield this.#takeFirst();
  }

  /** @returns what is held back, when there are no more readings */
  *flush(): Generator<Reading, void> {
    while (this.#held.length > 0) yield this.#takeFirst();
  }

  #hold(held: Held): void {
    const at = this.#held.findLastIndex(({ dueMs }) => dueMs <= held.dueMs);
    this.#held.splice(at + 1, 0, held);
  }

  #takeFirst(): Reading {
    const [{ reading }] = this.#held.splice(0, 1);
    return reading;
  }
}
