import type { Clock } from "../lib/base/clock.ts";
import { TelemetryError } from "../lib/base/errors.ts";
import { reach } from "../lib/base/faults.ts";
import type { AggregateStore, Journal } from "../lib/store/store.ts";
import type { ChangeCollector } from "./change-collector.ts";
import type { Flusher } from "./flusher.ts";
import { diskFull } from "./pipeline.ts";
import type { Purge } from "./purge.ts";
import { type DeviceRequest, Registry } from "./registry.ts";
import type { Sessions } from "./sessions.ts";

export interface RegistryWritesOptions {
  readonly store: AggregateStore & Journal;
  readonly sessions: Sessions;
  readonly flusher: Flusher;
  readonly collector: ChangeCollector;
  readonly purge: Purge;
  readonly clock: Clock;
  /** Memory and disk may differ now: the process must end. */
  readonly onFatal: (error: unknown) => void;
}

/** Changes of the registry, each in a transaction of its own between groups: durable when a function returns. */
export class RegistryWrites {
  readonly #options: RegistryWritesOptions;
  readonly #registry: Registry;

  constructor(options: RegistryWritesOptions) {
    this.#options = options;
    this.#registry = new Registry(options.store, options.sessions);
  }

  /** @throws TelemetryError */
  create(request: DeviceRequest): void {
    const { store, purge, clock } = this.#options;
    const deleted = store.findDeleted(request.deviceId);
    this.#write(() => void this.#registry.create(request, clock.nowMs()));
    // Its sessions are another device's now.
    if (deleted !== undefined) purge.add(deleted.id, store.position);
  }

  /** @throws TelemetryError */
  update(request: DeviceRequest, paths: readonly string[]): void {
    this.#write(() => void this.#registry.update(request, paths, this.#options.clock.nowMs()));
  }

  /** @throws TelemetryError */
  delete(deviceId: string, force: boolean): void {
    const { store, collector, purge, clock } = this.#options;
    const state = this.#write(() => this.#registry.delete(deviceId, force, clock.nowMs()));
    reach("after-delete");
    collector.forget(state);
    purge.add(state.device.id, store.position);
  }

  /** Lets whichever spool registers next take a device over. @returns false when it is not known */
  reset(deviceId: string): boolean {
    return this.#write(() => this.#options.sessions.reset(deviceId));
  }

  #write<T>(change: () => T): T {
    const { store, sessions, flusher, clock, onFatal } = this.#options;
    let result: T;
    try {
      result = change();
      if (!sessions.changes.isEmpty) store.append(undefined, sessions.changes);
    } catch (error) {
      sessions.rollback();
      if (error instanceof TelemetryError) throw error;
      try {
        flusher.onStoreFailed(error);
      } catch (fatal) {
        onFatal(fatal);
        throw fatal;
      }
      throw diskFull(error);
    }
    sessions.commit(store.position, clock.elapsedMs());
    return result;
  }
}
