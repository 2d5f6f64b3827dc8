import { randomBytes } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { Prng } from "../../lib/base/prng.ts";
import { RegistrationSchema } from "../../proto/gen/telemetry/v1/batch_pb.js";
import { MetricKind } from "../../proto/gen/telemetry/v1/metric_pb.js";

/** A device of a trial, as all ways name it. */
export interface Device {
  /** `bench-00001`. */
  readonly id: string;
  /** From 1; no other device of the trial has it. */
  readonly handle: number;
  /** 16 bytes. */
  readonly spoolId: Uint8Array;
  /** It has `metricName(1)` to this one, all gauges; the number is the handle. */
  readonly metrics: number;
}

export interface DevicesOptions {
  readonly prefix: string;
  readonly count: number;
  readonly metrics: number;
  readonly seed: number;
  /** Handles of the trial that others have. */
  readonly handlesTaken?: number;
}

export function devicesOf({ prefix, count, metrics, seed, handlesTaken = 0 }: DevicesOptions): Device[] {
  // Another run against the same database is another spool, and so another session.
  const run = randomBytes(8);
  return Array.from({ length: count }, (_, i) => {
    const id = `${prefix}${String(i + 1).padStart(5, "0")}`;
    const spoolId = Buffer.concat([run, new Prng(seed, id).bytes(8)]);
    return { id, handle: handlesTaken + i + 1, spoolId, metrics };
  });
}

export function metricName(handle: number): string {
  return `metric-${handle}`;
}

export function metricNames(count: number): string[] {
  return Array.from({ length: count }, (_, i) => metricName(i + 1));
}

/** A function of a device that is computed once for each. */
export function oncePerDevice<T>(compute: (device: Device) => T): (device: Device) => T {
  const computed = new Map<Device, T>();
  return (device) => {
    const known = computed.get(device);
    if (known !== undefined) return known;
    const value = compute(device);
    computed.set(device, value);
    return value;
  };
}

/** The bytes of the device's `telemetry.v1.Registration`. */
export function registrationOf({ id, handle, spoolId, metrics }: Device): Uint8Array {
  const registration = create(RegistrationSchema, {
    deviceHandle: handle,
    deviceId: id,
    spoolId,
    metrics: metricNames(metrics).map((name, i) => ({ handle: i + 1, name, kind: MetricKind.GAUGE })),
  });
  return toBinary(RegistrationSchema, registration);
}
