import { randomBytes } from "node:crypto";
import { connectTo } from "../../cli/connect.ts";
import { Delivery } from "../../device-sim/uplink/delivery.ts";
import type { Spools } from "../../device-sim/uplink/spool.ts";
import { Uplink } from "../../device-sim/uplink/uplink.ts";
import { systemClock } from "../../lib/base/clock.ts";
import { invalidField } from "../../lib/base/errors.ts";
import { silentLog } from "../../lib/base/log.ts";
import { Prng } from "../../lib/base/prng.ts";
import type { Channel } from "../../lib/rpc/client.ts";
import { QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import type { LoadOptions } from "./load-options.ts";

const failuresTold = 5;

/** Channels that have reached the server. */
export type LoadChannels = readonly [Channel, ...Channel[]];

/**
 * Connects to the server.
 * @throws TelemetryError when it cannot be reached, or knows devices of the load already
 */
export async function connectAll({ server, connections, devices, idPrefix }: LoadOptions): Promise<LoadChannels> {
  const first = await connectTo(server);
  const channels: [Channel, ...Channel[]] = [first];
  try {
    await checkUnknown(first, idPrefix);
    while (channels.length < Math.min(connections, devices)) channels.push(await connectTo(server));
    return channels;
  } catch (error) {
    for (const channel of channels) channel.close();
    throw error;
  }
}

/** The uplinks of a load, one per connection, and what they tell. */
export class LoadUplinks {
  readonly delivery = new Delivery();
  readonly all: readonly Uplink[];
  /** What one of them has warned of last. */
  warning = "";
  /** Spooled bytes of a device never come to the bound: those of all devices together are held below it. */
  readonly #spoolBytesMax: number;
  readonly #options: LoadOptions;
  #cutsKnown = 0;

  constructor(options: LoadOptions, channels: LoadChannels, spools: Spools, spoolBytesMax: number) {
    this.#options = options;
    this.#spoolBytesMax = spoolBytesMax;
    this.all = channels.map((channel, i) => this.#make(channel, i, spools));
  }

  /** Sends what is left and waits for its acks, for so long. */
  async close(drainMs: number): Promise<void> {
    await Promise.all(this.all.map((uplink) => uplink.close(drainMs)));
  }

  /** What the server has refused, first refusal by first refusal, for people. */
  get refusals(): string[] {
    const failures = this.all.flatMap((uplink) => [...uplink.failures]);
    return [
      ...failures.slice(0, failuresTold).map(([deviceId, { message }]) => `${deviceId} was refused: ${message}`),
      ...[...this.delivery.refusals.values()].map((detail) => `samples were refused, first ${detail}`),
    ];
  }

  #make(channel: Channel, i: number, spools: Spools): Uplink {
    const { mode, seed, cutRate, resendRate } = this.#options;
    const mischief = { resendRate, cutRate, prng: new Prng(seed, `mischief ${i}`) };
    return new Uplink({
      channel,
      mode,
      spoolBytesMax: this.#spoolBytesMax,
      delivery: this.delivery,
      clock: systemClock,
      prng: new Prng(seed, `uplink ${i}`),
      randomBytes,
      log: { ...silentLog, warn: (message) => this.#warn(message) },
      spools,
      ...(resendRate + cutRate > 0 && { mischief, openChannel: () => channel.another() }),
    });
  }

  /** What was cut on purpose is no news. */
  #warn(message: string): void {
    if (this.delivery.cuts > this.#cutsKnown) this.#cutsKnown = this.delivery.cuts;
    else this.warning = message;
  }
}

/** The verification holds all that the server has of the load's devices against what is sent now. */
async function checkUnknown(channel: Channel, idPrefix: string): Promise<void> {
  const query = channel.client(QueryService, "messages");
  const { devices } = await query.listDevices({ pageSize: 1, deviceIdPrefixes: [idPrefix] });
  const [known] = devices;
  if (known === undefined) return;
  throw invalidField(
    "--id-prefix",
    `is ${JSON.stringify(idPrefix)}, and the server has ${known.deviceId} already`,
    "choose one that is new to it, or leave it out",
  );
}
