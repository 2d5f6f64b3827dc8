import { deviceIdOf } from "../../device-sim/fleet.ts";
import { signalsFor } from "../../device-sim/signal.ts";
import type { DeviceLink } from "../../device-sim/uplink/device-link.ts";
import type { Uplink } from "../../device-sim/uplink/uplink.ts";
import type { LoadOptions } from "./load-options.ts";
import { LoadReadings } from "./load-readings.ts";
import type { LoadSpool, LoadSpools } from "./load-spool.ts";
import type { LoadTally } from "./load-tally.ts";

/** The devices of a load: they take turns, a batch each. */
export class LoadDevices {
  /** Names of the metrics of each. */
  readonly metrics: readonly string[];
  readonly ids: readonly string[];
  readonly readings: LoadReadings;
  readonly #options: LoadOptions;
  readonly #tally: LoadTally;
  readonly #links: readonly DeviceLink[];
  readonly #spools: LoadSpools;
  #next = 0;

  /**
   * @param uplinks the devices are dealt out to them in turn
   * @param spools those of the uplinks
   */
  constructor(options: LoadOptions, uplinks: readonly Uplink[], spools: LoadSpools, tally: LoadTally) {
    const signals = signalsFor(options.metrics);
    this.#options = options;
    this.#tally = tally;
    this.#spools = spools;
    this.readings = new LoadReadings(options);
    this.metrics = signals.map(({ name }) => name);
    this.ids = Array.from({ length: options.devices }, (_, i) => deviceIdOf(options, i));
    this.#links = this.ids.map((deviceId, i) =>
      uplinks[i % uplinks.length].add({ deviceId, labels: {}, metrics: signals }),
    );
  }

  /** One of each device. */
  get spools(): readonly LoadSpool[] {
    return this.#spools.opened;
  }

  /**
   * Seals the batch of the device whose turn it is.
   * @param dueMs since the start of the load
   * @param timeMs the time of its last reading
   */
  seal(dueMs: number, timeMs: number): void {
    const device = this.#next;
    this.#next = (device + 1) % this.#links.length;
    const link = this.#links[device];
    if (link.failure !== undefined) {
      this.#tally.batchesSkipped += 1;
      this.#tally.gaveUp(this.#options.durationMs - dueMs);
      return;
    }
    const spool = this.spools[device];
    const table = this.readings.make(device, spool.batchesSealed, timeMs);
    spool.expect(dueMs);
    // A device that is refused while it waits is told by its uplink.
    link.send({ tables: [table], samples: this.#options.batchSamples }).catch(() => {});
  }
}
