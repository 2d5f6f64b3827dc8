import { randomBytes } from "node:crypto";
import { type FleetStart, recallFleet, rememberFleet } from "../device-sim/fleet-memory.ts";
import { DeliveryLog } from "../device-sim/log/delivery-log.ts";
import { DiskSpools } from "../device-sim/uplink/disk-spools.ts";
import { MemorySpools } from "../device-sim/uplink/memory-spool.ts";
import { type Keeper, SealGroup } from "../device-sim/uplink/seal-group.ts";
import type { Spools } from "../device-sim/uplink/spool.ts";
import { systemClock } from "../lib/base/clock.ts";
import { fleetChoice, type SimulateOptions, spoolBytes } from "./simulate-options.ts";

/** What outlives a run, as far as it was asked for: the spools, and the log of what became of their batches. */
export class FleetKeeping {
  readonly spools: Spools;
  readonly seals: SealGroup;
  readonly deliveryLog: DeliveryLog | undefined;
  readonly start: FleetStart;
  /** Whether the fleet was started before, and goes on. */
  readonly goesOn: boolean;
  readonly #diskSpools: DiskSpools | undefined;

  /**
   * @param check throws when the fleet cannot begin as it is to, before anything is kept
   * @throws TelemetryError when one of them cannot be used
   */
  constructor(options: SimulateOptions, check: (start: FleetStart) => void) {
    const { spool, spoolFull = "block", start, log: logFile } = options;
    const bounds = { bytesMax: spoolBytes(options), whenFull: spoolFull };
    const nowMs = systemClock.nowMs();
    this.#diskSpools = spool === undefined ? undefined : new DiskSpools(spool, bounds, randomBytes);
    this.spools = this.#diskSpools ?? new MemorySpools(bounds, randomBytes);
    const choice = fleetChoice(options);
    try {
      const kept = this.#diskSpools && recallFleet(this.#diskSpools, choice);
      this.start = kept ?? { startMs: start ?? nowMs, startedAtMs: nowMs };
      this.goesOn = kept !== undefined;
      check(this.start);
      if (this.#diskSpools && kept === undefined) rememberFleet(this.#diskSpools, choice, this.start);
      this.deliveryLog = logFile === undefined ? undefined : new DeliveryLog(logFile);
    } catch (error) {
      this.#diskSpools?.close();
      throw error;
    }
    // Logged first: what was dropped unsent is in the spool no more, and the log must know it. What is logged and
    // was not kept is sealed again, with the same bytes.
    const keepers: (Keeper | undefined)[] = [this.deliveryLog, this.#diskSpools];
    this.seals = new SealGroup(keepers.filter((keeper) => keeper !== undefined));
  }

  close(): void {
    this.deliveryLog?.close();
    this.#diskSpools?.close();
  }
}
