import type { Clock } from "../lib/base/clock.ts";
import { Prng } from "../lib/base/prng.ts";
import { Batcher, type SealedRows } from "./batcher.ts";
import { Pace, type Speed } from "./pace.ts";
import { type Signal, signalsFor } from "./signal.ts";
import type { DeviceLink } from "./uplink/device-link.ts";
import type { Uplink } from "./uplink/uplink.ts";

export interface FleetOptions {
  readonly devices: number;
  /** Metrics per device. */
  readonly metrics: number;
  /** Event time between two rows of a device. */
  readonly intervalMs: number;
  /** Values per batch. */
  readonly batchSamples: number;
  readonly seed: number;
  /** Event time of the first row of each device. */
  readonly startMs: number;
  readonly speed: Speed;
  /** Whole numbers only: their sums are exact in any order. */
  readonly integers: boolean;
  /** Batches per device; undefined: until stopped. */
  readonly batches: number | undefined;
  /** Begins each device's id. */
  readonly idPrefix: string;
  readonly clock: Clock;
  /** How long ago the fleet began: what was due since is due at once. 0: now. */
  readonly startedAgoMs?: number;
  /** Whether a batch that is not full is sealed when the fleet is stopped; a fleet that goes on later fills it. */
  readonly sealRest?: boolean;
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

  /** @param uplinks the devices are dealt out to them in turn */
  constructor(options: FleetOptions, uplinks: readonly Uplink[]) {
    this.#options = options;
    const signals = signalsFor(options.metrics);
    const digits = Math.max(4, String(options.devices).length);
    this.#devices = Array.from({ length: options.devices }, (_, i) => {
      const deviceId = `${options.idPrefix}${String(i + 1).padStart(digits, "0")}`;
      return new SimulatedDevice(i, deviceId, signals, options, uplinks[i % uplinks.length]);
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
  readonly #next: ((timeMs: number) => number)[];
  /** Devices do not all report at the same moment. */
  readonly #phaseMs: number;
  /** Batches that an earlier process has sealed: they are made again, and not sent. */
  readonly #sealedBefore: number;
  #sealed = 0;

  constructor(index: number, deviceId: string, signals: readonly Signal[], options: FleetOptions, uplink: Uplink) {
    const prng = new Prng(options.seed, `device ${index}`);
    const pick = (values: readonly string[]) => values[prng.below(values.length)];
    const labels = { site: pick(sites), model: pick(models), firmware: pick(firmwares) };
    this.#options = options;
    this.#link = uplink.add({ deviceId, labels, metrics: signals });
    this.#sealedBefore = this.#link.spool.nextSequence - 1;
    this.#batcher = new Batcher(signals.length, options.batchSamples);
    this.#phaseMs = prng.uniform() * options.intervalMs;
    this.#next = signals.map((signal) => signal.start(new Prng(options.seed, `device ${index} ${signal.name}`)));
  }

  async run(pace: Pace, signal: AbortSignal): Promise<void> {
    const { startMs, intervalMs } = this.#options;
    // Refused for good: the uplink tells why, the other devices go on.
    for (let row = 0; !this.#done && !signal.aborted && this.#link.failure === undefined; row += 1) {
      const timeMs = startMs + row * intervalMs;
      await pace.due(timeMs + (Number.isFinite(pace.speed) ? this.#phaseMs : 0), signal);
      if (signal.aborted) break;
      await this.#seal(this.#batcher.add(timeMs, this.#row(timeMs)));
    }
    const rest = this.#options.sealRest ?? true;
    if (!this.#done && rest) await this.#seal(this.#batcher.flush());
  }

  stopWaiting(): void {
    this.#link.spool.stopWaiting();
  }

  get #done(): boolean {
    return this.#sealed >= (this.#options.batches ?? Number.POSITIVE_INFINITY);
  }

  #row(timeMs: number): Float64Array {
    const row = new Float64Array(this.#next.length);
    for (let i = 0; i < row.length; i += 1) {
      const value = this.#next[i](timeMs);
      row[i] = this.#options.integers ? Math.round(value * 100) : value;
    }
    return row;
  }

  async #seal(batches: Iterable<SealedRows>): Promise<void> {
    for (const batch of batches) {
      if (this.#done || this.#link.failure !== undefined) return;
      this.#sealed += 1;
      if (this.#sealed <= this.#sealedBefore) continue;
      // A refused device is told by its uplink, for the whole fleet at once.
      await this.#link.send(batch).catch(() => {});
    }
  }
}
