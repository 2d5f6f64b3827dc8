import type { Labels } from "./store.ts";

/** Whether a device is on a call: it sends, has sent nothing for a while, or is on none. */
export type Connection = "connected" | "silent" | "disconnected";

/** What happens to a device in the registry. */
export type DeviceChangeName = "created" | "appeared" | "updated" | "superseded" | "deleted";

/** What has happened to a device. It is stored, where it is something to store. */
export interface DeviceEvent {
  readonly kind: DeviceChangeName | Connection;
  readonly deviceId: string;
  /** As they were then. */
  readonly labels: Labels;
  /** By the server's clock. */
  readonly timeMs: number;
}

type OnEvents = (events: readonly DeviceEvent[]) => void;

/** Carries what happens to devices from the writer to whoever watches. It holds nothing back, and never blocks. */
export class DeviceFeed {
  readonly #watchers = new Set<OnEvents>();
  readonly #onInterest: (watched: boolean) => Promise<void>;

  /** @param onInterest told whether anybody watches; resolves when everything later is published accordingly */
  constructor(onInterest: (watched: boolean) => Promise<void>) {
    this.#onInterest = onInterest;
  }

  /** @returns when everything from now on is passed on, with the way to end it */
  async watch(onEvents: OnEvents): Promise<() => void> {
    this.#watchers.add(onEvents);
    const unwatch = () => {
      this.#watchers.delete(onEvents);
      // Too much is published until it is heard; nobody else is harmed.
      this.#onInterest(this.#watchers.size > 0).catch(() => {});
    };
    try {
      await this.#onInterest(true);
    } catch (error) {
      unwatch();
      throw error;
    }
    return unwatch;
  }

  publish(events: readonly DeviceEvent[]): void {
    for (const onEvents of this.#watchers) onEvents(events);
  }
}
