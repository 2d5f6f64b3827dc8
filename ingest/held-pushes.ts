import { TelemetryError } from "../lib/base/errors.ts";
import { pushHeldBytesMax, pushHeldMsMax } from "../lib/base/limits.ts";
import { waitFor } from "../lib/base/wait.ts";

/**
 * Pushes of devices that are over their rate: they wait here, as calls that stream wait to be read, so that a client
 * without a retry of its own loses nothing. They have all their bytes in memory, so there is a bound on them.
 */
export class HeldPushes {
  #bytes = 0;

  /** Request bytes that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Resolves when a push that has failed may be tried again.
   * @param gone aborted when its client has gone
   * @param draining aborted when the server takes no more
   * @throws the error when it is another one, or its client has to wait by itself
   */
  async wait(error: unknown, bytes: number, gone: AbortSignal, draining: AbortSignal): Promise<void> {
    if (!(error instanceof TelemetryError) || error.reason !== "DEVICE_RATE") throw error;
    const waitMs = error.retryAfterMs ?? 0;
    if (waitMs > pushHeldMsMax || this.#bytes + bytes > pushHeldBytesMax) throw error;
    this.#bytes += bytes;
    await waitFor(waitMs, AbortSignal.any([gone, draining]));
    this.#bytes -= bytes;
    if (gone.aborted) throw error;
  }
}
