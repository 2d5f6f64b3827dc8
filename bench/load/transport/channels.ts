import { Channel } from "../../../lib/rpc/client.ts";
import type { GeneratorPlan } from "../messages.ts";
import { connectTimeoutMs, type TransportOptions } from "./transport.ts";

/** A gRPC connection to the server of the benchmark. What fails is counted, not repeated: HTTP repeats nothing either. */
export function channelTo({ grpc, ca }: GeneratorPlan["addresses"], gzip = false): Channel {
  return new Channel(grpc, { tls: ca === undefined ? undefined : { ca }, gzip, retries: false });
}

/** The gRPC connections of a cell. */
export function channelsOf({ cell, addresses }: TransportOptions): Channel[] {
  return Array.from({ length: cell.connections }, () => channelTo(addresses, cell.gzip));
}

/** @throws TelemetryError UNAVAILABLE */
export async function allReady(channels: readonly Channel[]): Promise<void> {
  await Promise.all(channels.map((channel) => channel.ready(connectTimeoutMs)));
}
