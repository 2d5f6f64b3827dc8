import { parseArgs } from "node:util";
import { TidemarkServer } from "../../cli/server.ts";
import { defaultTiers } from "../../lib/aggregate/tiers.ts";
import { silentLog } from "../../lib/base/log.ts";
import { makeAuthority, makeServerPair } from "../../lib/rpc/certificates.ts";

/** A server in a process of its own, with limits that the command line has no flags for. SIGUSR2: tells what memory it keeps. Ends on SIGTERM. */

const { values } = parseArgs({
  options: { data: { type: "string" }, tls: { type: "boolean" }, handshake: { type: "string" } },
});
const authority = values.tls === true ? await makeAuthority("test", 1) : undefined;
const write = (text: string) => void process.stderr.write(`${text}\n`);
const server = await TidemarkServer.start({
  dataDir: values.data ?? "",
  grpc: "127.0.0.1:0",
  tls: authority && (await makeServerPair(authority, ["127.0.0.1"], 1)),
  tiers: defaultTiers,
  log: { ...silentLog, warn: write },
  keepRaw: { durationMs: 3_600_000, bytesMax: Number.POSITIVE_INFINITY },
  connectionLimits: values.handshake === undefined ? {} : { handshakeMsMax: Number(values.handshake) },
});
process.once("SIGTERM", () => void server.stop());
process.on("SIGUSR2", () => {
  // What is left after it is kept by something.
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  process.stdout.write(`${JSON.stringify({ keptBytes: heapUsed + external })}\n`);
});
process.stdout.write(`${JSON.stringify({ address: server.address, pid: process.pid, ca: authority?.cert })}\n`);
