import type { Clock } from "../lib/base/clock.ts";
import type { Connection, DeviceEvent } from "../lib/store/device-feed.ts";
import type { CatalogEvent } from "./catalog-changes.ts";
import { connectionOf, type DeviceState } from "./device-states.ts";
import type { Sessions } from "./sessions.ts";

/**
 * Gathers what happens to devices while somebody watches: what was stored of them, and whether they are on a call. A
 * connection that has come and gone between two takes is not told.
 */
export class DeviceEvents {
  readonly #sessions: Sessions;
  readonly #clock: Clock;
  readonly #silentMs: number;
  #watched = false;
  #stored: DeviceEvent[] = [];
  /** Devices whose connection may have changed. */
  readonly #touched = new Set<DeviceState>();
  /** The connections of the devices on a call, as they were told. */
  readonly #told = new Map<DeviceState, Connection>();

  /** @param silentMs a device on a call that has sent nothing for longer is silent */
  constructor(sessions: Sessions, clock: Clock, silentMs: number) {
    this.#sessions = sessions;
    this.#clock = clock;
    this.#silentMs = silentMs;
    sessions.onStored = (events) => this.#onStored(events);
    sessions.states.onCalls = (state) => {
      if (this.#watched) this.#touched.add(state);
    };
  }

  /** Begins to gather, or stops. Connections that there are when it begins are known to whoever lists the devices. */
  watch(watched: boolean): void {
    if (watched === this.#watched) return;
    this.#watched = watched;
    this.#stored = [];
    this.#touched.clear();
    this.#told.clear();
    if (!watched) return;
    for (const state of this.#sessions.states.connected) this.#told.set(state, this.connectionOf(state));
  }

  connectionOf(state: DeviceState): Connection {
    return connectionOf(state, this.#clock.elapsedMs(), this.#silentMs);
  }

  /** Devices on a call: those that send, and those that have not for a while. */
  counts(): { connected: number; silent: number } {
    const counts = { connected: 0, silent: 0 };
    for (const state of this.#sessions.states.connected) {
      counts[this.connectionOf(state) === "silent" ? "silent" : "connected"] += 1;
    }
    return counts;
  }

  /** Looks for devices that have fallen silent, or speak again. */
  tick(): void {
    if (!this.#watched) return;
    for (const state of this.#sessions.states.connected) {
      if (this.#told.get(state) !== this.connectionOf(state)) this.#touched.add(state);
    }
  }

  /** What was gathered. It is the caller's, and gathering begins anew. */
  take(): DeviceEvent[] {
    const events = this.#stored;
    this.#stored = [];
    const timeMs = this.#clock.nowMs();
    for (const state of this.#touched) {
      const { deviceId, labels, deletedAtMs } = state.device;
      const before = this.#told.get(state) ?? "disconnected";
      const kind = deletedAtMs === undefined ? this.connectionOf(state) : "disconnected";
      if (kind === "disconnected") this.#told.delete(state);
      else this.#told.set(state, kind);
      if (kind !== before && deletedAtMs === undefined) events.push({ kind, deviceId, labels, timeMs });
    }
    this.#touched.clear();
    return events;
  }

  #onStored(events: readonly CatalogEvent[]): void {
    if (!this.#watched) return;
    for (const { kind, device, timeMs } of events) {
      this.#stored.push({ kind, deviceId: device.deviceId, labels: device.labels, timeMs });
    }
  }
}
