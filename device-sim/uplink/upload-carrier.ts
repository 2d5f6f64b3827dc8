import { TelemetryError } from "../../lib/base/errors.ts";
import { type Cargo, type Carrier, gatherMessages, registrationMessage } from "./carrier.ts";
import { openDevices } from "./registering.ts";

/**
 * An upload is acked once, at its end: it ends after so many bytes, well before half of a spool waits, or
 * so long after it began.
 */
const uploadBytesMax = 256 * 1024;
const uploadMs = 500;

/** One upload of what waits. */
export const carryByUpload: Carrier = async (cargo, signal) => {
  const { client, outbox, clock } = cargo;
  while (!outbox.pending && !outbox.closing && !signal.aborted) await outbox.changed(Number.POSITIVE_INFINITY, signal);
  if (!outbox.pending || signal.aborted) return;
  outbox.rewind();
  const devices = await openDevices(cargo, signal);
  const upload = client.uploadBatches({ signal });
  try {
    for (const device of devices) await upload.write(registrationMessage(device));
    await fill(upload, cargo, signal);
  } catch (error) {
    // The call is over: its end says why.
    if (!(error instanceof TelemetryError) || error.reason !== "CALL_OVER") throw error;
  }
  for (const { deviceHandle, ackedSequence, refusals } of (await upload.finish()).devices) {
    outbox.device(deviceHandle)?.settle(Number(ackedSequence), refusals, clock.elapsedMs());
  }
};

async function fill(
  upload: ReturnType<Cargo["client"]["uploadBatches"]>,
  cargo: Cargo,
  signal: AbortSignal,
): Promise<void> {
  const { outbox, clock } = cargo;
  const endsAtMs = clock.elapsedMs() + uploadMs;
  for (let bytes = 0; bytes < uploadBytesMax && !signal.aborted; ) {
    const messages = gatherMessages(cargo);
    for (const message of messages) {
      await upload.write(message);
      bytes += message.length;
    }
    if (messages.length > 0) continue;
    const leftMs = endsAtMs - clock.elapsedMs();
    if (outbox.closing || leftMs <= 0) break;
    await outbox.changed(leftMs, signal);
  }
}
