import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Clock } from "../../lib/base/clock.ts";
import { subscriptionIntervalMsMin } from "../../lib/base/limits.ts";
import type { Channel } from "../../lib/rpc/client.ts";
import {
  Aggregate,
  QueryService,
  type SubscribeResponse,
  type WindowFrame,
} from "../../proto/gen/telemetry/v1/query_service_pb.js";
import type { GeneratorPlan } from "./messages.ts";
import type { Probes } from "./probes.ts";
import { channelTo } from "./transport/channels.ts";

export interface FreshnessOptions {
  readonly addresses: GeneratorPlan["addresses"];
  /** Whose batches are the probes. */
  readonly deviceId: string;
  readonly clock: Clock;
  readonly probes: Probes;
}

/** A subscriber of one device, who tells what can be seen of it. */
export class Freshness {
  readonly #probes: Probes;
  readonly #channel: Channel;
  readonly #ending = new AbortController();
  readonly #reading: Promise<void>;
  readonly #ready = Promise.withResolvers<void>();

  /** Resolves when every change is seen from now on. @throws TelemetryError */
  static async start(options: FreshnessOptions): Promise<Freshness> {
    const freshness = new Freshness(options);
    await Promise.race([freshness.#ready.promise, freshness.#reading]);
    return freshness;
  }

  private constructor({ addresses, deviceId, clock, probes }: FreshnessOptions) {
    this.#probes = probes;
    this.#channel = channelTo(addresses);
    const request = {
      selector: { deviceIds: [deviceId] },
      snapshotFrom: timestampFromMs(clock.nowMs()),
      intervalMin: durationFromMs(subscriptionIntervalMsMin),
      aggregates: [Aggregate.LAST],
    };
    const { signal } = this.#ending;
    this.#reading = this.#read(this.#channel.client(QueryService, "messages").subscribe(request, { signal }));
    this.#reading.catch(() => {});
  }

  /** @throws TelemetryError when the subscription has failed */
  async close(): Promise<void> {
    this.#ending.abort();
    await this.#reading;
    this.#channel.close();
  }

  async #read(responses: AsyncIterable<SubscribeResponse>): Promise<void> {
    try {
      for await (const { event } of responses) {
        // The first comes after the snapshot.
        if (event.case === "heartbeat") this.#ready.resolve();
        else if (event.case === "changes") this.#onChanges(event.value);
      }
    } catch (error) {
      if (!this.#ending.signal.aborted) throw error;
    }
  }

  #onChanges({ windowStartsUnixMs, lastOffsetsMs }: WindowFrame): void {
    for (const [i, startMs] of windowStartsUnixMs.entries()) this.#probes.seen(startMs + lastOffsetsMs[i]);
  }
}
