import { TelemetryError } from "../../lib/base/errors.ts";
import { encodePushMessage } from "../../lib/wire/batch-encoder.ts";
import type { Refusal } from "../../proto/gen/telemetry/v1/batch_pb.js";
import { RefusalReason } from "../../proto/gen/telemetry/v1/batch_pb.js";
import { type Cargo, type Carrier, isFinal } from "./carrier.ts";
import type { DeviceLink } from "./device-link.ts";
import { gapOf } from "./gap-message.ts";
import { openDevice, pushesMax, pushMessage } from "./registering.ts";

/** One unary call per batch; a device's next batch goes out when the one before is acked. */
export const carryByPush: Carrier = async (cargo, signal) => {
  const { outbox } = cargo;
  outbox.rewind();
  const failed = new AbortController();
  const stop = AbortSignal.any([signal, failed.signal]);
  const work = async () => {
    while (!outbox.finished && !stop.aborted) {
      const newcomer = outbox.nextUnregistered();
      const device = newcomer ?? outbox.next();
      if (newcomer !== undefined) await openDevice(cargo, newcomer, stop);
      else if (device !== undefined) await push(cargo, device, stop);
      else await outbox.changed(Number.POSITIVE_INFINITY, stop);
    }
  };
  const workers = Array.from({ length: pushesMax }, () => work().catch((error: unknown) => failed.abort(error)));
  await Promise.all(workers);
  // The first failure is the reason of the others.
  if (failed.signal.aborted) throw failed.signal.reason;
};

async function push(cargo: Cargo, device: DeviceLink, signal: AbortSignal): Promise<void> {
  const { client, outbox, delivery, clock, mischief } = cargo;
  const entry = device.take(clock.elapsedMs());
  if (entry === undefined) return;
  outbox.pause(device);
  const message =
    entry.kind === "batch"
      ? encodePushMessage(device.registrationBytes, entry.bytes)
      : pushMessage(device, { case: "gap", value: gapOf(device, entry) });
  try {
    const times = entry.kind === "batch" && mischief?.mayRepeat(entry.bytes) ? 2 : 1;
    delivery.batchesRepeated += times - 1;
    for (let time = 0; time < times; time += 1) {
      const { registered, refusals } = await client.pushBatch(message, { signal });
      if (registered === undefined) continue;
      device.spool.meet(registered.storeIncarnation);
      device.settle(Number(registered.ackedSequence), refusals, clock.elapsedMs());
    }
  } catch (error) {
    if (!(error instanceof TelemetryError) || !isFinal(error)) throw error;
    const last = entry.kind === "batch" ? entry.sequence : entry.lastSequence;
    if (error.reason === "BATCH_REFUSED") device.settle(last, [wholeBatch(last, error)], clock.elapsedMs());
    else if (error.reason === "SEQUENCE_GAP")
      device.resume(Number(error.metadata["expected_sequence"]), clock.elapsedMs());
    else device.fail(error);
  }
  outbox.goOn(device);
}

function wholeBatch(sequence: number, error: TelemetryError): Refusal {
  return {
    $typeName: "telemetry.v1.Refusal",
    sequence: BigInt(sequence),
    reason: RefusalReason.MALFORMED_BATCH,
    samples: 0,
    metricHandle: 0,
    timeUnixMs: 0n,
    detail: error.message,
  };
}
