import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Channel } from "../../lib/rpc/client.ts";
import { QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { printMachine } from "../measure.ts";
import { BenchServer, type LoadResult, mib, percentiles, startLoad } from "../processes.ts";

/**
 * Many subscribers while a fleet sends: from the time of a sample, which is that of its sending, to its receipt by a
 * subscriber, and what the subscribers cost those who send. First the load alone, then with the subscribers.
 *
 *     node bench/watchers/subscribers.ts                # 1,000 subscribers of a device each, over 50 connections
 *     node bench/watchers/subscribers.ts --idle 10000   # and subscribers of nothing that changes
 */
const { values } = parseArgs({
  options: {
    subscribers: { type: "string", default: "1000" },
    connections: { type: "string", default: "50" },
    devices: { type: "string", default: "10000" },
    seconds: { type: "string", default: "30" },
    idle: { type: "string", default: "0" },
  },
});
const [subscribers, connections, devices, seconds, idle] = [
  Number(values.subscribers),
  Number(values.connections),
  Number(values.devices),
  Number(values.seconds),
  Number(values.idle),
];
const metrics = 10;
const warmUpMs = 5_000;

const server = await BenchServer.start();
const channels = Array.from({ length: connections }, () => new Channel(server.address));
const ending = new AbortController();
try {
  printMachine();
  print("load alone          ", await withCpu(() => startLoad(server, devices, metrics, seconds)));
  const before = server.memory();
  const latencies: number[] = [];
  const windows = { count: 0 };
  const reading: Promise<void>[] = [];
  for (let i = 0; i < subscribers; i += 1) {
    const deviceId = `load-${String(1 + i).padStart(5, "0")}`;
    reading.push(watch(channels[i % connections] as Channel, deviceId, latencies, windows));
  }
  await sleep(2_000);
  const attached = server.memory();
  console.log(
    `${subscribers} subscribers of ${metrics} series each on ${connections} connections: ` +
      `RSS ${mib(attached.rss - before.rss)} more`,
  );
  const loaded = withCpu(() => startLoad(server, devices, metrics, seconds));
  await sleep(warmUpMs);
  latencies.length = 0;
  print("with subscribers    ", await loaded);
  console.log(`  sample to receipt   ${percentiles(latencies)}, ${windows.count} windows`);
  if (idle > 0) {
    const rss = server.memory().rss;
    for (let i = 0; i < idle; i += 1) {
      reading.push(watch(channels[i % connections] as Channel, `idle-${i}`, [], { count: 0 }));
    }
    await sleep(3_000);
    console.log(`  ${idle} idle subscribers   ${((server.memory().rss - rss) / 1024 / idle).toFixed(1)} KiB each`);
  }
  ending.abort();
  await Promise.all(reading);
} finally {
  for (const channel of channels) channel.close();
  await server.stop();
}

/** Notes how old the latest sample of each window is when it comes. */
async function watch(channel: Channel, deviceId: string, latencies: number[], windows: { count: number }) {
  try {
    const responses = channel.client(QueryService, "messages").subscribe(
      {
        selector: { deviceIds: [deviceId] },
        intervalMin: durationFromMs(100),
        snapshotFrom: timestampFromMs(Date.now()),
      },
      { signal: ending.signal },
    );
    for await (const { event } of responses) {
      if (event.case !== "changes") continue;
      const nowMs = Date.now();
      const { windowStartsUnixMs, lastOffsetsMs, states } = event.value;
      windows.count += windowStartsUnixMs.length;
      for (const [i, startMs] of windowStartsUnixMs.entries()) {
        // One that comes again because it has become final has no new sample.
        if (states[i] === 1) latencies.push(nowMs - startMs - (lastOffsetsMs[i] ?? 0));
      }
    }
  } catch (error) {
    if (!ending.signal.aborted) throw error;
  }
}

async function withCpu(run: () => Promise<LoadResult>): Promise<LoadResult & { readonly cpu: number }> {
  const cpu = server.cpuSeconds();
  const result = await run();
  return { ...result, cpu: server.cpuSeconds() - cpu };
}

function print(name: string, { samplesAcked, seconds, ackP50Ms, ackP99Ms, cpu }: LoadResult & { cpu: number }): void {
  const rate = Math.round(samplesAcked / seconds);
  const cost = ((cpu * 1e6) / samplesAcked).toPrecision(3);
  console.log(`  ${name}${rate} samples/s acked, ack p50 ${ackP50Ms} p99 ${ackP99Ms} ms, server ${cost} CPU s per M`);
}
