import { formatDuration } from "../lib/base/duration.ts";
import { TelemetryError } from "../lib/base/errors.ts";
import { rateBurstMs } from "../lib/base/limits.ts";
import type { Device } from "../lib/store/store.ts";
import type { Grant } from "./grant.ts";

/** Why a call waits, and for how long. */
export interface RateDelay {
  readonly delayMs: number;
  /** Device, value, limit and flag, for people. */
  readonly detail: string;
}

/** Whose rates are held, and how they are told. */
export interface Rated<T> {
  /** Such as `device`. */
  readonly subject: string;
  /** What the rate was set by. */
  readonly flag: string;
  keyOf(who: T): number | string;
  nameOf(who: T): string;
}

export const ratedDevice: Rated<Device> = {
  subject: "device",
  flag: "--device-rate",
  keyOf: ({ id }) => id,
  nameOf: ({ deviceId }) => deviceId,
};

export const ratedPrincipal: Rated<Grant> = {
  subject: "principal",
  flag: "--principal-rate",
  keyOf: ({ kind, name }) => `${kind} ${name}`,
  nameOf: ({ kind, name }) => `${kind} ${name}`,
};

/** Samples that were brought and have not drained yet. */
interface Bucket {
  level: number;
  /** When the level was right. */
  atMs: number;
}

/** Buckets that may be there before the empty ones are looked for. */
const sweepAt = 1_024;

/**
 * A bucket per device, or per principal, over all its calls: samples fill it, and it drains at its rate. It holds what
 * drains in `rateBurstMs`, so that a device that was offline can catch up; one with more in it is over its rate, and waits
 * until it is not. What was brought before it was told to wait is taken all the same, so a bucket can be over full: the
 * excess is paid by a longer wait, and the rate holds.
 *
 * Only what is not empty is kept: those that have sent lately. A restart of the server empties all.
 */
export class Rates<T> {
  readonly #rated: Rated<T>;
  readonly #perMs: number;
  readonly #levelMax: number;
  readonly #limit: string;
  readonly #buckets = new Map<number | string, Bucket>();
  #sweepAt = sweepAt;
  /** Samples of the group. */
  readonly #ofGroup = new Map<number | string, number>();

  /** @param samplesPerSecondMax infinity: nobody ever waits */
  constructor(samplesPerSecondMax: number, rated: Rated<T>) {
    this.#rated = rated;
    this.#perMs = samplesPerSecondMax / 1_000;
    this.#levelMax = this.#perMs * rateBurstMs;
    this.#limit = `${samplesPerSecondMax} samples/s per ${rated.subject} (${rated.flag}), ${formatDuration(rateBurstMs)} of it at once`;
  }

  /** Those that have sent lately. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Samples were brought, and taken. */
  add(who: T, samples: number, nowMs: number): void {
    if (this.#perMs === Number.POSITIVE_INFINITY || samples === 0) return;
    const id = this.#rated.keyOf(who);
    let bucket = this.#buckets.get(id);
    if (bucket === undefined) {
      if (this.#buckets.size >= this.#sweepAt) this.#sweep(nowMs);
      bucket = { level: 0, atMs: nowMs };
      this.#buckets.set(id, bucket);
    }
    bucket.level = this.#levelAt(bucket, nowMs) + samples;
    bucket.atMs = nowMs;
    this.#ofGroup.set(id, (this.#ofGroup.get(id) ?? 0) + samples);
  }

  /** Samples over the rate; 0: it is within. */
  excess(who: T, nowMs: number): number {
    if (this.#perMs === Number.POSITIVE_INFINITY) return 0;
    const bucket = this.#buckets.get(this.#rated.keyOf(who));
    return bucket === undefined ? 0 : Math.max(0, this.#levelAt(bucket, nowMs) - this.#levelMax);
  }

  /** What one that is over its rate has to wait for. */
  delayOf(who: T, nowMs: number): RateDelay {
    const excess = this.excess(who, nowMs);
    const delayMs = Math.ceil(excess / this.#perMs);
    const wait = formatDuration(delayMs < 1_000 ? delayMs : Math.ceil(delayMs / 1_000) * 1_000);
    const name = JSON.stringify(this.#rated.nameOf(who));
    const detail = `${this.#rated.subject} ${name} is ${Math.ceil(excess)} samples over its rate, the limit is ${this.#limit}; it waits ${wait}`;
    return { delayMs, detail };
  }

  /** The group is in the journal. */
  commit(): void {
    this.#ofGroup.clear();
  }

  /** The group could not be stored: its samples come again, and count then. */
  rollback(): void {
    for (const [id, samples] of this.#ofGroup) {
      const bucket = this.#buckets.get(id);
      if (bucket !== undefined) bucket.level = Math.max(0, bucket.level - samples);
    }
    this.#ofGroup.clear();
  }

  #levelAt({ level, atMs }: Bucket, nowMs: number): number {
    return Math.max(0, level - (nowMs - atMs) * this.#perMs);
  }

  /** When the buckets are twice as many as were not empty the last time: it costs each of them little. */
  #sweep(nowMs: number): void {
    for (const [id, bucket] of this.#buckets) {
      if (this.#levelAt(bucket, nowMs) === 0) this.#buckets.delete(id);
    }
    this.#sweepAt = Math.max(sweepAt, 2 * this.#buckets.size);
  }
}

// A call that is not taken because somebody is over a rate: nothing of it was kept, and it may come again.

export function deviceOverRate({ delayMs, detail }: RateDelay, { deviceId }: Device): TelemetryError {
  return new TelemetryError("RESOURCE_EXHAUSTED", "DEVICE_RATE", `${detail}; send again then`, {
    retryAfterMs: delayMs,
    quota: `device:${deviceId}`,
  });
}

export function principalOverRate({ delayMs, detail }: RateDelay, { kind, name }: Grant): TelemetryError {
  return new TelemetryError("RESOURCE_EXHAUSTED", "PRINCIPAL_RATE", `${detail}; send again then`, {
    retryAfterMs: delayMs,
    quota: `principal:${kind} ${name}`,
  });
}
