import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Clock } from "../../lib/base/clock.ts";
import { subscriptionIntervalMsMin } from "../../lib/base/limits.ts";
import { Channel } from "../../lib/rpc/client.ts";
import {
  Aggregate,
  QueryService,
  type SubscribeResponse,
  type WindowFrame,
} from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { Latencies } from "./latencies.ts";
import type { GeneratorPlan } from "./messages.ts";
import type { Meter } from "./meter.ts";

export interface FreshnessOptions {
  readonly addresses: GeneratorPlan["addresses"];
  /** Whose samples have the present time. */
  readonly deviceId: string;
  readonly clock: Clock;
  readonly meter: Meter;
}

/** A subscriber of one device, and how old the latest sample of each window is when it comes. */
export class Freshness {
  readonly latencies = new Latencies();
  readonly #clock: Clock;
  readonly #meter: Meter;
  readonly #channel: Channel;
  readonly #ending = new AbortController();
  readonly #reading: Promise<void>;
  readonly #ready = Promise.withResolvers<void>();
  /** By series: the time of the latest sample that was shown. */
  readonly #shownMs = new Map<number, number>();

  /** Resolves when every change is seen from now on. @throws TelemetryError */
  static async start(options: FreshnessOptions): Promise<Freshness> {
    const freshness = new Freshness(options);
    await Promise.race([freshness.#ready.promise, freshness.#reading]);
    return freshness;
  }

  private constructor({ addresses, deviceId, clock, meter }: FreshnessOptions) {
    this.#clock = clock;
    this.#meter = meter;
    this.#channel = new Channel(addresses.grpc, { ca: addresses.ca });
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

  #onChanges({ seriesHandles, windowStartsUnixMs, lastOffsetsMs }: WindowFrame): void {
    const nowMs = this.#clock.nowMs();
    for (const [i, startMs] of windowStartsUnixMs.entries()) {
      const lastMs = startMs + lastOffsetsMs[i];
      // A window that comes again because it has become final has no new sample.
      if (lastMs <= (this.#shownMs.get(seriesHandles[i]) ?? Number.NEGATIVE_INFINITY)) continue;
      this.#shownMs.set(seriesHandles[i], lastMs);
      if (this.#meter.isMeasuring) this.latencies.record(nowMs - lastMs);
    }
  }
}
