import type { Standing } from "../lib/store/registry.ts";
import type { DeviceEvents } from "./device-events.ts";
import { markOf } from "./session-marks.ts";
import type { Sessions } from "./sessions.ts";

/** How devices stand by what was acked so far, beyond what the tables show: in memory, without a look at the store. */
export function standingOf({ states, marks }: Sessions, events: DeviceEvents, deviceIds: readonly string[]): Standing {
  const inMemory = deviceIds.flatMap((deviceId) => states.peek(deviceId) ?? []);
  const dirty = marks.dirtyOf(new Set(inMemory.map(({ device }) => device.id)));
  return {
    connections: new Map(inMemory.map((state) => [state.device.deviceId, events.connectionOf(state)])),
    marks: dirty.map((session) => ({ id: session.id, device: session.device, ...markOf(session) })),
  };
}
