import { invalidField, TelemetryError } from "../lib/base/errors.ts";
import { deviceDescriptionBytesMax, labelsMax } from "../lib/base/limits.ts";
import { type AggregateStore, type Device, type Labels, overlaid, type Session } from "../lib/store/store.ts";
import type { DeviceState } from "./device-states.ts";
import { newDevice, newSession } from "./new-device.ts";
import { checkDeviceId, checkLabels, checkText } from "./registration.ts";
import type { Sessions } from "./sessions.ts";

/** What the registry says of a device. */
export interface DeviceRequest {
  readonly deviceId: string;
  readonly labels: Labels;
  readonly description: string;
}

/**
 * Creates, updates and deletes devices. Each is a step of its own between groups, in memory first: `Sessions.commit` or
 * `rollback` follows, as after a group.
 */
export class Registry {
  readonly #store: AggregateStore;
  readonly #sessions: Sessions;

  constructor(store: AggregateStore, sessions: Sessions) {
    this.#store = store;
    this.#sessions = sessions;
  }

  /**
   * Makes a device that waits for its first spool. One that was deleted begins again: its old spools are known, and go
   * on with their sequences, so that nothing is counted twice and nothing seems to be missing.
   * @throws TelemetryError INVALID_ARGUMENT, or ALREADY_EXISTS
   */
  create({ deviceId, labels, description }: DeviceRequest, nowMs: number): Device {
    checkDeviceId("device_id", deviceId);
    checkLabels("labels", labels);
    checkDescription(description);
    const { states, changes, nextIds } = this.#sessions;
    if (states.find(deviceId) !== undefined) throw alreadyExists(deviceId);
    const device = newDevice(nextIds, deviceId, nowMs);
    Object.assign(device, { setLabels: labels, labels: overlaid({}, labels), description });
    const session = this.#carryOver(device) ?? newSession(nextIds, device, "");
    device.session = session.id;
    const state = states.remember(device, session);
    changes.onUndo(() => states.forget(state));
    changes.devices.add(device);
    changes.sessions.add(session);
    changes.tell("created", device, nowMs);
    return device;
  }

  /**
   * Changes labels and description.
   * @param paths what to change: `labels`, `description`, or `labels.KEY`; none: all
   * @throws TelemetryError INVALID_ARGUMENT, or NOT_FOUND
   */
  update({ deviceId, labels, description }: DeviceRequest, paths: readonly string[], nowMs: number): Device {
    checkLabels("labels", labels);
    checkDescription(description);
    for (const [i, path] of paths.entries()) checkPath(`update_mask.paths[${i}]`, path);
    const { device } = this.#found(deviceId);
    const { changes } = this.#sessions;
    const before = { setLabels: device.setLabels, labels: device.labels, description: device.description };
    const setLabels = maskedLabels(before.setLabels, labels, paths);
    const isDescribed = paths.length === 0 || paths.includes("description");
    changes.onUndo(() => void Object.assign(device, before));
    device.setLabels = setLabels;
    device.labels = overlaid(device.reportedLabels, setLabels);
    if (isDescribed) device.description = description;
    if (JSON.stringify(setLabels) === JSON.stringify(before.setLabels) && device.description === before.description) {
      return device;
    }
    changes.devices.add(device);
    changes.tell("updated", device, nowMs);
    return device;
  }

  /**
   * Deletes a device with its series: from now on nothing of it is taken, and nothing is shown. What is stored of it is
   * purged later (`purge.ts`).
   * @param force also when it is on a call
   * @throws TelemetryError NOT_FOUND, or FAILED_PRECONDITION while it is connected
   */
  delete(deviceId: string, force: boolean, nowMs: number): DeviceState {
    const state = this.#found(deviceId);
    if (state.calls > 0 && !force) throw connected(deviceId);
    const { states, metrics, changes } = this.#sessions;
    const { device } = state;
    device.deletedAtMs = nowMs;
    states.forget(state);
    changes.onUndo(() => {
      device.deletedAtMs = undefined;
      states.restore(state);
    });
    metrics.giveBack(state);
    changes.devices.add(device);
    changes.tell("deleted", device, nowMs);
    return state;
  }

  #found(deviceId: string): DeviceState {
    checkDeviceId("device_id", deviceId);
    const state = this.#sessions.find(deviceId);
    if (state === undefined) throw deviceNotFound(deviceId);
    return state;
  }

  /** The sessions of the one that was deleted by this id, for the one that takes its place. @returns the newest */
  #carryOver(device: Device): Session | undefined {
    const deleted = this.#store.findDeleted(device.deviceId);
    if (deleted === undefined) return undefined;
    const { marks, changes, nextIds } = this.#sessions;
    const unstored = new Map(marks.dirtyOf(new Set([deleted.id])).map((session) => [session.id, session]));
    let newest: Session | undefined;
    for (const stored of this.#store.sessionsOf(deleted.id)) {
      const session = newSession(nextIds, device, stored.spoolId);
      session.ackedSequence = (unstored.get(stored.id) ?? stored).ackedSequence;
      changes.sessions.add(session);
      if (stored.id === deleted.session) newest = session;
    }
    return newest;
  }
}

const labelPath = "labels.";

/** A label of the mask that the request does not have is taken away. */
function maskedLabels(before: Labels, labels: Labels, paths: readonly string[]): Labels {
  if (paths.length === 0 || paths.includes("labels")) return labels;
  const keys = paths.filter((path) => path.startsWith(labelPath)).map((path) => path.slice(labelPath.length));
  const kept = Object.entries(before).filter(([key]) => !keys.includes(key));
  const set = Object.entries(labels).filter(([key]) => keys.includes(key));
  const after = Object.fromEntries([...kept, ...set]);
  const count = Object.keys(after).length;
  if (count > labelsMax) {
    throw invalidField("labels", `would make ${count} set labels, the limit is ${labelsMax}`, "take some away");
  }
  return after;
}

function checkPath(field: string, path: string): void {
  if (path === "labels" || path === "description" || (path.startsWith(labelPath) && path !== labelPath)) return;
  throw invalidField(field, `is ${JSON.stringify(path.slice(0, 100))}`, "write labels, description, or labels.KEY");
}

function checkDescription(description: string): void {
  checkText("description", description, 0, deviceDescriptionBytesMax);
}

export function deviceNotFound(deviceId: string): TelemetryError {
  return new TelemetryError(
    "NOT_FOUND",
    "DEVICE_NOT_FOUND",
    `device_id: no device ${JSON.stringify(deviceId.slice(0, 100))}; list the devices to see their ids`,
    { field: "device_id" },
  );
}

function alreadyExists(deviceId: string): TelemetryError {
  return new TelemetryError(
    "ALREADY_EXISTS",
    "DEVICE_EXISTS",
    `device_id: device ${JSON.stringify(deviceId)} is there already; UpdateDevice changes its labels and description`,
    { field: "device_id" },
  );
}

function connected(deviceId: string): TelemetryError {
  return new TelemetryError(
    "FAILED_PRECONDITION",
    "DEVICE_CONNECTED",
    `device ${JSON.stringify(deviceId)} is connected; stop it first, or set force: what it sends then is refused`,
    { field: "device_id" },
  );
}
