import { watcherEventsMax } from "../lib/base/limits.ts";
import type { Connection, DeviceEvent } from "../lib/store/device-feed.ts";
import type { DeviceFilter } from "../lib/store/registry.ts";
import { matchesDevice } from "../lib/store/selector.ts";

const connections: readonly DeviceEvent["kind"][] = ["connected", "silent", "disconnected"] satisfies Connection[];

/**
 * What one watcher has not been sent yet: of each device the latest event of each kind, and of its connection the latest
 * at all. A slow one is sent less, never older.
 */
export class PendingDevices {
  readonly #filter: DeviceFilter;
  /** By device, then by what the event is about; devices in the order of their first event that waits. */
  #events = new Map<string, Map<string, DeviceEvent>>();
  #length = 0;
  /** Called at the next event that is wanted. */
  onChanged: (() => void) | undefined;

  constructor(filter: DeviceFilter) {
    this.#filter = filter;
  }

  /** Events that wait. */
  get length(): number {
    return this.#length;
  }

  /** More events wait than may: the watcher does not read. */
  get overflowing(): boolean {
    return this.#length > watcherEventsMax;
  }

  add(events: readonly DeviceEvent[]): void {
    for (const event of events) {
      if (this.overflowing) break;
      if (matchesDevice({ deviceIds: undefined, ...this.#filter }, event)) this.#add(event);
    }
    if (this.#length > 0) this.onChanged?.();
  }

  /** Takes the events of so many devices out, each device's in the order in which they happened. */
  take(devicesMax: number): DeviceEvent[] {
    const taken: DeviceEvent[] = [];
    let left = devicesMax;
    for (const [deviceId, events] of this.#events) {
      if (left === 0) break;
      left -= 1;
      taken.push(...events.values());
      this.#events.delete(deviceId);
    }
    this.#length -= taken.length;
    return taken;
  }

  #add(event: DeviceEvent): void {
    let events = this.#events.get(event.deviceId);
    if (events === undefined) {
      events = new Map();
      this.#events.set(event.deviceId, events);
    }
    this.#length -= events.size;
    // What it was before does not matter any more.
    if (event.kind === "deleted") events.clear();
    const about = connections.includes(event.kind) ? "connection" : event.kind;
    events.delete(about);
    events.set(about, event);
    this.#length += events.size;
  }
}
