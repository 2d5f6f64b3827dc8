import type { Channel } from "../../../lib/rpc/client.ts";
import { encodePushMessage } from "../../../lib/wire/batch-encoder.ts";
import { NamedService } from "../../../proto/gen/bench/v1/named_service_pb.js";
import { IngestService } from "../../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { oncePerDevice, registrationOf } from "../device.ts";
import type { Outgoing } from "../message-source.ts";
import { allReady, channelsOf } from "./channels.ts";
import { expectNoRefusals } from "./refusal.ts";
import type { Transport, TransportOptions } from "./transport.ts";

/** A gRPC call per batch: the product's PushBatch, or PushNamed. */
export class UnaryTransport implements Transport {
  readonly #channels: readonly Channel[];
  readonly #calls: readonly ((batch: Outgoing) => Promise<void>)[];

  constructor(options: TransportOptions) {
    const callOf = options.cell.way === "grpc-push" ? pushBatch : pushNamed;
    this.#channels = channelsOf(options);
    this.#calls = this.#channels.map(callOf);
  }

  async open(): Promise<void> {
    await allReady(this.#channels);
  }

  carry(slot: number, [batch]: readonly Outgoing[]): Promise<void> {
    return this.#calls[slot % this.#calls.length](batch);
  }

  async close(): Promise<void> {
    for (const channel of this.#channels) channel.close();
  }
}

function pushNamed(channel: Channel) {
  const client = channel.client(NamedService, "bytes");
  return async ({ bytes }: Outgoing) => {
    await client.pushNamed(bytes);
  };
}

/** Each push carries its device's registration, which is encoded once. */
function pushBatch(channel: Channel) {
  const client = channel.client(IngestService, "bytes");
  const registration = oncePerDevice(registrationOf);
  return async ({ device, bytes }: Outgoing) => {
    const { refusals } = await client.pushBatch(encodePushMessage(registration(device), bytes));
    expectNoRefusals(refusals);
  };
}
