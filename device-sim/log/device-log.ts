import { GapReason, type Refusal, RefusalReason } from "../../proto/gen/telemetry/v1/batch_pb.js";
import type { SpooledBatch, SpooledGap } from "../uplink/spool.ts";
import type { DeliveryLog } from "./delivery-log.ts";

/** One device's part of a delivery log. */
export class DeviceLog {
  readonly #log: DeliveryLog;
  readonly #device: string;
  readonly #spool: string;

  /** @param metrics names; the first has the handle 1 */
  constructor(log: DeliveryLog, device: string, spoolId: Uint8Array, metrics: readonly string[]) {
    this.#log = log;
    this.#device = device;
    this.#spool = Buffer.from(spoolId).toString("hex");
    const names = Object.fromEntries(metrics.map((name, i) => [i + 1, name]));
    log.add({ event: "device", device, spool: this.#spool, metrics: names });
  }

  sealed({ sequence, samples, bytes }: Pick<SpooledBatch, "sequence" | "samples" | "bytes">): void {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
    this.#log.add({ event: "sealed", ...this.#who, sequence, samples, bytes: text });
  }

  acked(sequence: number): void {
    this.#log.add({ event: "acked", ...this.#who, sequence });
  }

  refused({ sequence, reason }: Refusal, samples: number, whole: boolean): void {
    const name = RefusalReason[reason] ?? String(reason);
    this.#log.add({ event: "refused", ...this.#who, sequence: Number(sequence), reason: name, samples, whole });
  }

  /** Returns when it is written: a gap is sent in the turn in which it is taken. */
  gap({ firstSequence: first, lastSequence: last, samples, reason }: SpooledGap): void {
    this.#log.add({ event: "gap", ...this.#who, first, last, samples, reason: GapReason[reason] ?? String(reason) });
    this.#log.commit();
  }

  get #who() {
    return { device: this.#device, spool: this.#spool };
  }
}
