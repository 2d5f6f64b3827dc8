import type { Clock } from "../lib/base/clock.ts";
import { Prng } from "../lib/base/prng.ts";
import { Batcher, type SealedRows } from "./batcher.ts";
import { Disorder, type DisorderOptions, type DisorderTally } from "./disorder.ts";
import { OfflineTimes } from "./offline-times.ts";
import { Pace, type Speed } from "./pace.ts";
import { type Reading, type ReadingsChoice, readingsOf } from "./readings.ts";
import { signalsFor } from "./signal.ts";
import type { DeviceLink } from "./uplink/device-link.ts";
import type { Uplink } from "./uplink/uplink.ts";

export interface FleetOptions extends ReadingsChoice {
  readonly devices: number;
  /** Values per batch. */
  readonly batchSamples: number;
  readonly speed: Speed;
  /** Each device makes as many values as fill so many batches; undefined: until stopped. */
  readonly batches: number | undefined;
  /** Begins each device's id. */
  readonly idPrefix: string;
  readonly clock: Clock;
  /** Undefined: every reading is made, and sent at once. */
  readonly disorder?: DisorderOptions | undefined;
  /** How long ago the fleet began: what was due since is due at once. 0: now. */
  readonly startedAgoMs?: number;
  /**
   * Whether a batch that is not full, and readings that are held back, are sent when the fleet is stopped; a fleet
   * that goes on later makes them again.
   */
  readonly sealRest?: boolean;
}

/** @param index from 0 */
export function deviceIdOf({ idPrefix, devices }: Pick<FleetOptions, "idPrefix" | "devices">, index: number): string {
  const digits = Math.max(4, String(devices).length);
  return `${idPrefix}${String(index + 1).padStart(digits, "0")}`;
}

const sites = ["berlin", "lyon", "osaka", "tulsa"];
const models = ["x100", "x200", "x300"];
const firmwares = ["1.4.2", "1.5.0", "2.0.1"];

/**
 * Simulated devices: equal options give equal samples, whatever the uplinks do. A device whose spool has
 * sealed batches before makes them again, and goes on behind them.
 */
export class Fleet {
  readonly #options: FleetOptions;
  readonly #devices: SimulatedDevice[];
  /** What the disorder has come to, since the fleet began. */
  readonly disorder: DisorderTally = { readingsLate: 0, readingsMissing: 0, timesOffline: 0 };

  /** @param uplinks the devices are dealt out to them in turn */
  constructor(options: FleetOptions, uplinks: readonly Uplink[]) {
    this.#options = options;
    this.#devices = Array.from({ length: options.devices }, (_, i) => {
      const deviceId = deviceIdOf(options, i);
      return new SimulatedDevice(i, deviceId, options, uplinks[i % uplinks.length], this.disorder);
    });
  }

  /** Runs until every device has sealed its batches, or until stopped. */
  async run(signal: AbortSignal): Promise<void> {
    const { speed, startMs, clock, startedAgoMs } = this.#options;
    const pace = new Pace(speed, startMs, clock, true, startedAgoMs);
    const onStop = () => {
      for (const device of this.#devices) device.stopWaiting();
    };
    if (signal.aborted) onStop();
    signal.addEventListener("abort", onStop, { once: true });
    await Promise.all(this.#devices.map((device) => device.run(pace, signal)));
    signal.removeEventListener("abort", onStop);
  }
}

class SimulatedDevice {
  readonly #options: FleetOptions;
  readonly #link: DeviceLink;
  readonly #batcher: Batcher;
  readonly #readings: Iterable<Reading>;
  readonly #disorder: Disorder | undefined;
  readonly #offlineTimes: OfflineTimes | undefined;
  readonly #tally: DisorderTally;
  /** Devices do not all report at the same moment. */
  readonly #phaseMs: number;
  /** Batches that an earlier process has sealed: they are made again, and not sent. */
  readonly #sealedBefore: number;
  #sealed = 0;
  #offline = false;

  constructor(index: number, deviceId: string, options: FleetOptions, uplink: Uplink, tally: DisorderTally) {
    const { seed, metrics, batches = Number.POSITIVE_INFINITY, batchSamples, disorder } = options;
    const prng = new Prng(seed, `device ${index}`);
    const pick = (values: readonly string[]) => values[prng.below(values.length)];
    const labels = { site: pick(sites), model: pick(models), firmware: pick(firmwares) };
    this.#options = options;
    this.#link = uplink.add({ deviceId, labels, metrics: signalsFor(metrics) });
    this.#sealedBefore = this.#link.spool.nextSequence - 1;
    this.#batcher = new Batcher(metrics, batchSamples);
    this.#phaseMs = prng.uniform() * options.intervalMs;
    this.#readings = readingsOf(index, options, batches * batchSamples);
    const { outOfOrderRate = 0, missingRate = 0, offlineRate = 0 } = disorder ?? {};
    if (disorder && outOfOrderRate + missingRate > 0) {
      this.#disorder = new Disorder(disorder, seed, index, metrics, tally);
    }
    if (disorder && offlineRate > 0) this.#offlineTimes = new OfflineTimes(disorder, options, index);
    this.#tally = tally;
  }

  async run(pace: Pace, signal: AbortSignal): Promise<void> {
    const ended = await this.#sendReadings(pace, signal);
    this.#link.goOnline();
    if (!ended && !(this.#options.sealRest ?? true)) return;
    for (const { timeMs, values } of this.#disorder?.flush() ?? []) await this.#seal(this.#batcher.add(timeMs, values));
    await this.#seal(this.#batcher.flush());
  }

  stopWaiting(): void {
    this.#link.spool.stopWaiting();
  }

  /** @returns whether all were sent, or held back: it was not stopped before */
  async #sendReadings(pace: Pace, signal: AbortSignal): Promise<boolean> {
    for (const reading of this.#readings) {
      // Refused for good: the uplink tells why, the other devices go on.
      if (signal.aborted || this.#link.failure !== undefined) return false;
      await pace.due(reading.timeMs + (Number.isFinite(pace.speed) ? this.#phaseMs : 0), signal);
      if (signal.aborted) return false;
      this.#goOnOrOffline(reading.timeMs);
      for (const { timeMs, values } of this.#disorder?.add(reading) ?? [reading]) {
        await this.#seal(this.#batcher.add(timeMs, values));
      }
    }
    return true;
  }

  #goOnOrOffline(timeMs: number): void {
    const offline = this.#offlineTimes?.isOffline(timeMs) ?? false;
    if (offline === this.#offline) return;
    this.#offline = offline;
    if (offline) {
      this.#link.goOffline();
      this.#tally.timesOffline += 1;
    } else this.#link.goOnline();
  }

  async #seal(batches: Iterable<SealedRows>): Promise<void> {
    for (const batch of batches) {
      if (this.#link.failure !== undefined) return;
      // What is left of the last reading, when the fleet ends inside it.
      if (batch.samples === 0) continue;
      this.#sealed += 1;
      if (this.#sealed <= this.#sealedBefore) continue;
      // A refused device is told by its uplink, for the whole fleet at once.
      await this.#link.send(batch).catch(() => {});
    }
  }
}
