import { TelemetryError } from "../lib/base/errors.ts";
import { Channel } from "../lib/rpc/client.ts";

const connectTimeoutMs = 3_000;

/** @throws TelemetryError when nobody answers at the address */
export async function connect(address: string): Promise<Channel> {
  const channel = new Channel(address);
  try {
    await channel.ready(connectTimeoutMs);
    return channel;
  } catch (error) {
    channel.close();
    throw new TelemetryError(
      "UNAVAILABLE",
      "UNREACHABLE",
      `no server answers at ${address} within ${connectTimeoutMs / 1_000} s; start one with "tidemark serve", or name ` +
        "another with --address",
      { cause: error },
    );
  }
}
