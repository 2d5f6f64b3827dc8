import { TelemetryError } from "../../../lib/base/errors.ts";
import type { Channel } from "../../../lib/rpc/client.ts";
import { encodeBatchesMessage } from "../../../lib/wire/batch-encoder.ts";
import { embed } from "../../../lib/wire/embed.ts";
import { IngestService } from "../../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { uploadMessages } from "../../cell.ts";
import { oncePerDevice, registrationOf } from "../device.ts";
import type { Outgoing } from "../message-source.ts";
import { allReady, channelsOf } from "./channels.ts";
import { expectNoRefusals } from "./refusal.ts";
import type { Transport, TransportOptions } from "./transport.ts";

interface Collected {
  readonly batch: Outgoing;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** A call waits no longer for the other messages that it could carry: an open loop may have none. */
const gatherMs = 2;
const registrationField = 1;

/**
 * UploadBatches: the messages of `uploadMessages` slots make one call, which is acked at its end. So `slots` messages
 * are in flight as in the other ways, in `slots / uploadMessages` calls at a time. Each call registers its devices.
 */
export class UploadTransport implements Transport {
  readonly #channels: readonly Channel[];
  readonly #messagesMax: number;
  readonly #registration = oncePerDevice((device) => embed(registrationField, registrationOf(device)));
  #collected: Collected[] = [];
  #timer: NodeJS.Timeout | undefined;
  #calls = 0;

  constructor(options: TransportOptions) {
    this.#channels = channelsOf(options);
    this.#messagesMax = Math.min(uploadMessages, options.cell.slots);
  }

  async open(): Promise<void> {
    await allReady(this.#channels);
  }

  carry(_slot: number, [batch]: readonly Outgoing[]): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#collected.push({ batch, resolve, reject });
    if (this.#collected.length >= this.#messagesMax) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), gatherMs);
    return promise;
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    for (const channel of this.#channels) channel.close();
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const collected = this.#collected;
    this.#collected = [];
    this.#upload(collected.map(({ batch }) => batch)).then(
      () => collected.forEach(({ resolve }) => resolve()),
      (error: unknown) => collected.forEach(({ reject }) => reject(error)),
    );
  }

  async #upload(batches: readonly Outgoing[]): Promise<void> {
    const channel = this.#channels[this.#calls % this.#channels.length];
    this.#calls += 1;
    const call = channel.client(IngestService, "bytes").uploadBatches();
    try {
      for (const { device, bytes } of batches) {
        await call.write(this.#registration(device));
        await call.write(encodeBatchesMessage([bytes]));
      }
    } catch (error) {
      // The call is over: its end says why.
      if (!(error instanceof TelemetryError) || error.reason !== "CALL_OVER") throw error;
    }
    for (const { refusals } of (await call.finish()).devices) expectNoRefusals(refusals);
  }
}
