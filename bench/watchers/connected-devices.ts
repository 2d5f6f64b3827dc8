import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Channel, type Client } from "../../lib/rpc/client.ts";
import { IngestService } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { MetricKind } from "../../proto/gen/telemetry/v1/metric_pb.js";
import { printMachine } from "../measure.ts";
import { BenchServer, mib } from "../processes.ts";

/**
 * What a connected device costs the server in memory: each has a stream of its own, with ten metrics registered and one
 * batch sent.
 *
 *     node bench/watchers/connected-devices.ts                      # 10,000 devices on 100 connections
 *     node bench/watchers/connected-devices.ts --connections 10000  # a connection each
 */
const { values } = parseArgs({
  options: { devices: { type: "string", default: "10000" }, connections: { type: "string", default: "100" } },
});
const devices = Number(values.devices);
const connections = Math.min(devices, Number(values.connections));
const metrics = 10;

const server = await BenchServer.start();
const channels = Array.from({ length: connections }, () => new Channel(server.address));
const ending = new AbortController();
try {
  printMachine();
  await server.admin.getStatus({});
  const before = server.memory().rss;
  for (let from = 0; from < devices; from += 200) {
    const some = Array.from({ length: Math.min(200, devices - from) }, (_, i) => from + i);
    await Promise.all(some.map((i) => connectDevice(channels[i % connections] as Channel, i)));
  }
  const connected = server.memory().rss;
  await sleep(2_000);
  const settled = server.memory().rss;
  const each = (bytes: number) => `${((bytes - before) / 1024 / devices).toFixed(1)} KiB`;
  console.log(
    `${devices} devices on ${connections} connections: RSS ${mib(before)} before, ${mib(connected)} connected`,
  );
  console.log(`  per connected device   ${each(connected)}, 2 s later ${each(settled)}`);
} finally {
  ending.abort();
  for (const channel of channels) channel.close();
  await server.stop();
}

/** Resolves when its first batch is acked; the stream stays open. */
async function connectDevice(channel: Channel, i: number): Promise<void> {
  const client: Client<typeof IngestService, "messages"> = channel.client(IngestService, "messages");
  const stream = client.streamBatches({ signal: ending.signal });
  const acked = Promise.withResolvers<void>();
  const read = async () => {
    for await (const { message } of stream.responses) if (message.case === "ack") acked.resolve();
  };
  read().catch((error: unknown) => {
    if (!ending.signal.aborted) acked.reject(error);
  });
  await stream.write({
    message: {
      case: "registration",
      value: {
        deviceHandle: 1,
        deviceId: `device-${i}`,
        spoolId: Buffer.from(i.toString(16).padStart(32, "0"), "hex"),
        metrics: Array.from({ length: metrics }, (_, m) => ({
          handle: m + 1,
          name: `metric-${m}`,
          kind: MetricKind.GAUGE,
        })),
      },
    },
  });
  const handles = Array.from({ length: metrics }, (_, m) => m + 1);
  await stream.write({
    message: {
      case: "batches",
      value: {
        batches: [
          {
            deviceHandle: 1,
            sequence: 1n,
            tables: [
              { metricHandles: handles, baseTimeUnixMs: BigInt(Date.now()), timeOffsetsMs: [0], values: handles },
            ],
          },
        ],
      },
    },
  });
  await acked.promise;
}
