import { idleSessionsMax } from "../lib/base/limits.ts";
import type { Connection } from "../lib/store/device-feed.ts";
import type { AggregateStore, Device, Series, Session } from "../lib/store/store.ts";

/** A device, its newest session and its series, in the writer's memory. */
export interface DeviceState {
  readonly device: Device;
  session: Session;
  readonly seriesByName: Map<string, Series>;
  /** Spools superseded since this was read from the store: the store may not know yet. */
  readonly superseded: Set<string>;
  /** Calls on which it is registered. */
  calls: number;
  /** When it registered last, or something of it came, in milliseconds of the writer's elapsed time. */
  heardMs: number;
}

/** The devices that are connected, and some that were. */
export class DeviceStates {
  /** Told whenever a device is on one call more or less. */
  onCalls: ((state: DeviceState) => void) | undefined;
  readonly #store: AggregateStore;
  readonly #states = new Map<string, DeviceState>();
  readonly #connected = new Set<DeviceState>();
  /** Devices on no call, the longest idle first. */
  readonly #idle = new Set<DeviceState>();

  constructor(store: AggregateStore) {
    this.#store = store;
  }

  /** Devices on a call. */
  get connected(): Iterable<DeviceState> {
    return this.#connected;
  }

  /** A device that is in memory. */
  peek(deviceId: string): DeviceState | undefined {
    return this.#states.get(deviceId);
  }

  /** A device that is known, from memory or from the store. */
  find(deviceId: string): DeviceState | undefined {
    const cached = this.#states.get(deviceId);
    if (cached !== undefined) return cached;
    const stored = this.#store.findDevice(deviceId);
    if (stored === undefined) return undefined;
    return this.remember(stored.device, stored.session, stored.series);
  }

  remember(device: Device, session: Session, series: readonly Series[] = []): DeviceState {
    const seriesByName = new Map(series.map((each) => [each.name, each]));
    const state = { device, session, seriesByName, superseded: new Set<string>(), calls: 0, heardMs: 0 };
    this.restore(state);
    return state;
  }

  /** Its id stands for it no more; calls may still have it. */
  forget(state: DeviceState): void {
    this.#states.delete(state.device.deviceId);
    this.#idle.delete(state);
    this.#connected.delete(state);
  }

  /** Takes `forget` back. */
  restore(state: DeviceState): void {
    this.#states.set(state.device.deviceId, state);
    this.#place(state);
  }

  /** A call has registered the device. */
  retain(state: DeviceState): void {
    state.calls += 1;
    this.#place(state);
  }

  /** A call that had registered the device has ended. */
  release(state: DeviceState): void {
    state.calls -= 1;
    this.#place(state);
  }

  /** Keeps the idle ones within their limit, between groups. @param isUnstored those stay, with all that are idle shorter */
  evict(isUnstored: (state: DeviceState) => boolean): void {
    for (const state of this.#idle) {
      if (this.#idle.size <= idleSessionsMax || isUnstored(state)) return;
      this.forget(state);
    }
  }

  #place(state: DeviceState): void {
    if (this.#states.get(state.device.deviceId) !== state) return;
    if (state.calls === 0) {
      this.#connected.delete(state);
      this.#idle.add(state);
    } else {
      this.#idle.delete(state);
      this.#connected.add(state);
    }
    this.onCalls?.(state);
  }
}

/** @param silentMs a device on a call that has sent nothing for longer is silent */
export function connectionOf({ calls, heardMs }: DeviceState, elapsedMs: number, silentMs: number): Connection {
  if (calls === 0) return "disconnected";
  return elapsedMs - heardMs > silentMs ? "silent" : "connected";
}
