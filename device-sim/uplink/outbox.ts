import { waitFor } from "../../lib/base/wait.ts";
import type { DeviceLink } from "./device-link.ts";

/** The devices of an uplink, and whose turn it is to send: one batch each, in turn. */
export class Outbox {
  readonly devices: DeviceLink[] = [];
  /** Nothing more will be sealed. */
  closing = false;
  readonly #byHandle = new Map<number, DeviceLink>();
  readonly #unregistered = new Set<DeviceLink>();
  readonly #registered = new Set<DeviceLink>();
  /** Registered devices with something to send. */
  readonly #ready = new Set<DeviceLink>();
  /** Devices that wait for an answer before they send again. */
  readonly #paused = new Set<DeviceLink>();
  readonly #wakes = new Set<() => void>();

  add(device: DeviceLink): void {
    this.devices.push(device);
    this.#byHandle.set(device.handle, device);
    this.#unregistered.add(device);
    this.wake();
  }

  device(handle: number): DeviceLink | undefined {
    return this.#byHandle.get(handle);
  }

  /** Something is not acked. */
  get pending(): boolean {
    return this.devices.some((device) => !device.idle);
  }

  /** A new call begins: nobody is registered on it, and what is not acked is sent again. */
  rewind(): void {
    this.#ready.clear();
    this.#registered.clear();
    this.#paused.clear();
    for (const device of this.devices) {
      device.rewind();
      this.#unregistered.add(device);
    }
  }

  /** Takes out the devices to register on this call. */
  takeUnregistered(): DeviceLink[] {
    const devices = [...this.#unregistered].filter((device) => device.failure === undefined);
    this.#unregistered.clear();
    return devices;
  }

  /** Takes out one of the devices to register on this call. */
  nextUnregistered(): DeviceLink | undefined {
    for (const device of this.#unregistered) {
      this.#unregistered.delete(device);
      if (device.failure === undefined) return device;
    }
    return undefined;
  }

  /** The device sends nothing until it goes on. */
  pause(device: DeviceLink): void {
    this.#paused.add(device);
    this.#ready.delete(device);
  }

  goOn(device: DeviceLink): void {
    this.#paused.delete(device);
    this.enqueue(device);
  }

  /** The device has to register again on this call: what it has sent on it was not taken. */
  unregister(device: DeviceLink): void {
    this.#registered.delete(device);
    this.#ready.delete(device);
    this.#unregistered.add(device);
    device.rewind();
    this.wake();
  }

  /** The device may send on this call. */
  open(device: DeviceLink): void {
    this.#registered.add(device);
    this.enqueue(device);
  }

  /** The device has something to send. */
  enqueue(device: DeviceLink): void {
    const maySend = this.#registered.has(device) && !this.#paused.has(device);
    if (maySend && device.spool.hasUnsent) this.#ready.add(device);
    this.wake();
  }

  /** The next device that may send and has something to; it comes again after `enqueue`. */
  next(): DeviceLink | undefined {
    for (const device of this.#ready) {
      this.#ready.delete(device);
      if (device.spool.hasUnsent) return device;
    }
    return undefined;
  }

  /** Nothing more will be sealed, and everything is settled. */
  get finished(): boolean {
    return this.closing && !this.pending;
  }

  /** Wakes whoever waits. */
  wake(): void {
    for (const wake of this.#wakes) wake();
  }

  /** Resolves at the next `wake`. */
  async changed(timeoutMs: number, signal: AbortSignal): Promise<void> {
    let armed: (() => void) | undefined;
    await waitFor(timeoutMs, signal, (wake) => {
      if (wake !== undefined) this.#wakes.add(wake);
      else if (armed !== undefined) this.#wakes.delete(armed);
      armed = wake;
    });
  }
}
