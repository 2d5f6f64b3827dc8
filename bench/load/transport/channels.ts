import { Channel } from "../../../lib/rpc/client.ts";
import { connectTimeoutMs, type TransportOptions } from "./transport.ts";

/** The gRPC connections of a cell. */
export function channelsOf({ cell, addresses }: TransportOptions): Channel[] {
  const options = { ca: addresses.ca, gzip: cell.gzip };
  return Array.from({ length: cell.connections }, () => new Channel(addresses.grpc, options));
}

/** @throws TelemetryError UNAVAILABLE */
export async function allReady(channels: readonly Channel[]): Promise<void> {
  await Promise.all(channels.map((channel) => channel.ready(connectTimeoutMs)));
}
