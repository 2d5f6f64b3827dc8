import type { Channel } from "../../../lib/rpc/client.ts";
import type { Outgoing } from "../message-source.ts";
import { allReady, channelsOf } from "./channels.ts";
import { Lane } from "./lane.ts";
import { namedStream, productStream } from "./stream-way.ts";
import type { Transport, TransportOptions } from "./transport.ts";

/** A bidi stream per connection: StreamBatches, whose devices are registered when it opens, or StreamNamed. */
export class StreamTransport implements Transport {
  readonly #options: TransportOptions;
  readonly #channels: readonly Channel[];
  #lanes: readonly Lane[] = [];

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#channels = channelsOf(options);
  }

  async open(): Promise<void> {
    const { cell, source } = this.#options;
    await allReady(this.#channels);
    const way = cell.way === "grpc-stream" ? productStream : namedStream;
    this.#lanes = this.#channels.map((channel) => new Lane(channel, way));
    const laneOf = (slot: number) => slot % this.#lanes.length;
    await Promise.all(
      this.#lanes.map((lane, i) =>
        lane.register(source.devices.filter((device) => laneOf(source.slotOf(device)) === i)),
      ),
    );
  }

  carry(slot: number, batches: readonly Outgoing[]): Promise<void> {
    return this.#lanes[slot % this.#lanes.length].carry(batches);
  }

  async close(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.close()));
    for (const channel of this.#channels) channel.close();
  }
}
