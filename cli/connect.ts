import { errorMessage, TelemetryError } from "../lib/base/errors.ts";
import { Channel } from "../lib/rpc/client.ts";
import type { ClientTls } from "../lib/rpc/tls.ts";
import { type ServerAt, type ServerFlags, serverAt } from "./server-flags.ts";

const connectMsMax = 3_000;

/** @throws TelemetryError when nobody answers at the address, or a file of the flags cannot be used */
export async function connect(flags: ServerFlags): Promise<Channel> {
  return await connectTo(serverAt(flags));
}

/** @throws TelemetryError when nobody answers at the address */
export async function connectTo({ address, options }: ServerAt, msMax = connectMsMax): Promise<Channel> {
  const channel = new Channel(address, options);
  try {
    await channel.ready(msMax);
    return channel;
  } catch (error) {
    channel.close();
    throw new TelemetryError(
      "UNAVAILABLE",
      "UNREACHABLE",
      `no server answers at ${address} within ${msMax / 1_000} s (${errorMessage(error)}); start one with ` +
        `"tidemark serve", name another with --address, or ${certificateRemedy(options.tls)}`,
      { cause: error },
    );
  }
}

function certificateRemedy(tls: ClientTls | undefined): string {
  if (tls === undefined) return "give its authority with --ca where it is encrypted";
  if (tls.ca === undefined) return "give its authority with --ca";
  return tls.pair === undefined
    ? "show a certificate with --cert and --key where it asks for one"
    : "check --ca, --cert and --key";
}
