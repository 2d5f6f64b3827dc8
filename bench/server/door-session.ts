import { checkText } from "../../ingest/registration.ts";
import { invalidField, type TelemetryError } from "../../lib/base/errors.ts";
import { deviceIdBytesMax, metricNameBytesMax, metricsPerRegistrationMax } from "../../lib/base/limits.ts";
import { type Refusal, RefusalReason } from "../../proto/gen/telemetry/v1/batch_pb.js";
import { batchRefused } from "./door-errors.ts";

/** A request that waits for its batch to be settled. */
interface Waiting {
  readonly sequence: number;
  resolve(ackedSequence: number): void;
  reject(error: unknown): void;
}

/**
 * A device with one of its spools, as the door knows it. Its handle stands for this session for as long as there is the
 * door: an ack can never be taken for that of another one.
 */
export class DoorSession {
  readonly deviceId: string;
  /** 32 hexadecimal digits. */
  readonly spoolId: string;
  readonly handle: number;
  /** Metrics that are registered, or are on their way to be. */
  readonly #handles = new Map<string, number>();
  #nextHandle = 1;
  #waiting: Waiting[] = [];

  /** @throws TelemetryError */
  constructor(deviceId: string, spoolId: string, handle: number) {
    checkText("device", deviceId, 1, deviceIdBytesMax);
    if (!/^[0-9a-f]{32}$/.test(spoolId)) {
      throw invalidField(
        "spool",
        `is ${JSON.stringify(spoolId.slice(0, 40))}`,
        "send 16 bytes, in JSON as 32 digits 0-9a-f",
      );
    }
    this.deviceId = deviceId;
    this.spoolId = spoolId;
    this.handle = handle;
  }

  /** Handles of metrics, 0 for those that are to be registered first. */
  handlesOf(metrics: readonly string[]): number[] {
    return metrics.map((name) => this.#handles.get(name) ?? 0);
  }

  /** Whether metrics have the handles 1, 2, ... */
  areNumbered(metrics: readonly string[]): boolean {
    for (let i = 0; i < metrics.length; i += 1) if (this.#handles.get(metrics[i]) !== i + 1) return false;
    return true;
  }

  /** Gives handles to those of the metrics that have none. @returns the new ones @throws TelemetryError */
  add(metrics: readonly string[]): Map<string, number> {
    const fresh = new Set(metrics.filter((name) => !this.#handles.has(name)));
    checkMetrics(fresh);
    return new Map([...fresh].map((name) => [name, this.#set(name, this.#nextHandle)]));
  }

  /** Gives metrics the handles 1, 2, ... @throws TelemetryError */
  number(metrics: readonly string[]): Map<string, number> {
    checkMetrics(new Set(metrics));
    return new Map(metrics.map((name, i) => [name, this.#set(name, i + 1)]));
  }

  /** They are to be registered again. A handle that may have been bound is not used for another metric. */
  forgetMetrics(): void {
    this.#handles.clear();
  }

  /** Resolves with the acked sequence when the batch is settled. @throws TelemetryError */
  settled(sequence: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ sequence, resolve, reject });
    });
  }

  onAck(ackedSequence: number, refusals: readonly Refusal[]): void {
    const waiting = this.#take(({ sequence }) => sequence <= ackedSequence);
    for (const { sequence, resolve, reject } of waiting) {
      const refusal = refusals.find((each) => Number(each.sequence) === sequence);
      if (refusal === undefined) resolve(ackedSequence);
      else reject(batchRefused(sequence, RefusalReason[refusal.reason] ?? "", refusal.detail));
    }
  }

  /** @param above fails requests of higher sequences only */
  fail(error: TelemetryError, above = 0): void {
    for (const { reject } of this.#take(({ sequence }) => sequence > above)) reject(error);
  }

  #set(name: string, handle: number): number {
    this.#handles.set(name, handle);
    this.#nextHandle = Math.max(this.#nextHandle, handle + 1);
    return handle;
  }

  #take(isTaken: (waiting: Waiting) => boolean): Waiting[] {
    const taken = this.#waiting.filter(isTaken);
    if (taken.length > 0) this.#waiting = this.#waiting.filter((waiting) => !isTaken(waiting));
    return taken;
  }
}

/** What a registration could not hold would end the call that all devices share. */
function checkMetrics(metrics: ReadonlySet<string>): void {
  if (metrics.size > metricsPerRegistrationMax) {
    throw invalidField(
      "metrics",
      `has ${metrics.size} new names, the limit is ${metricsPerRegistrationMax}`,
      "bring the others with further batches",
    );
  }
  for (const name of metrics) checkText("metric", name, 1, metricNameBytesMax);
}
