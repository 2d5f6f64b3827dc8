import { parseArgs } from "node:util";
import { Channel } from "../lib/rpc/client.ts";
import { encodeBatch, encodeBatchesMessage } from "../lib/wire/batch-encoder.ts";
import { IngestService } from "../proto/gen/telemetry/v1/ingest_service_pb.js";
import { registrationMessage } from "./registration-message.ts";

/**
 * Devices behind gateways, each with a batch of one reading per period, sent on time whether acks come or not, once all
 * are registered: as lean as it can be, so that it leaves the machine to the server. Prints what it came to as a line of
 * JSON.
 *
 *     node bench/gateway-load.ts --address 127.0.0.1:50051 --devices 10000 --metrics 10 --seconds 30
 *     node bench/gateway-load.ts --devices 100000 --gateways 100 --period 10 --seconds 600
 */
const { values } = parseArgs({
  options: {
    address: { type: "string", default: "127.0.0.1:50051" },
    devices: { type: "string", default: "10000" },
    metrics: { type: "string", default: "10" },
    seconds: { type: "string", default: "30" },
    period: { type: "string", default: "1" },
    gateways: { type: "string", default: "8" },
  },
});
const [devices, metrics, seconds, periodSeconds, gateways] = [
  Number(values.devices),
  Number(values.metrics),
  Number(values.seconds),
  Number(values.period),
  Number(values.gateways),
];
const ticksPerSecond = 20;
const ticksPerPeriod = ticksPerSecond * periodSeconds;
const tickMs = 1_000 / ticksPerSecond;
const handles = Array.from({ length: metrics }, (_, m) => m + 1);
const ackTimesMs: number[] = [];
let acked = 0;
let unregistered = devices;
const allRegistered = Promise.withResolvers<number>();

const startMs = performance.now();
await Promise.all(Array.from({ length: gateways }, (_, gateway) => run(gateway)));
ackTimesMs.sort((a, b) => a - b);
const at = (part: number) => Number((ackTimesMs[Math.floor(part * (ackTimesMs.length - 1))] ?? 0).toFixed(2));
const { user, system } = process.cpuUsage();
const result = {
  samplesSent: devices * metrics * Math.floor(seconds / periodSeconds),
  samplesAcked: acked * metrics,
  registerSeconds: Number((((await allRegistered.promise) - startMs) / 1_000).toFixed(3)),
  seconds: Number(((performance.now() - startMs) / 1_000).toFixed(3)),
  ackP50Ms: at(0.5),
  ackP99Ms: at(0.99),
  ackMaxMs: at(1),
  cpuSeconds: (user + system) / 1e6,
};
process.stdout.write(`${JSON.stringify(result)}\n`);

async function run(gateway: number): Promise<void> {
  const channel = new Channel(values.address);
  const stream = channel.client(IngestService, "bytes").streamBatches();
  const mine = Array.from({ length: devices }, (_, i) => i).filter((i) => i % gateways === gateway);
  const sequences = new Map<number, number>();
  const sentMs = new Map<number, number>();
  const done = Promise.withResolvers<void>();
  const read = async () => {
    for await (const { message } of stream.responses) {
      if (message.case === "reject") throw new Error(message.value.detail);
      if (message.case === "registered") {
        unregistered -= 1;
        if (unregistered === 0) allRegistered.resolve(performance.now());
      }
      if (message.case !== "ack") continue;
      const nowMs = performance.now();
      for (const { deviceHandle, ackedSequence } of message.value.devices) {
        const sequence = Number(ackedSequence);
        acked += sequence - (sequences.get(deviceHandle) ?? 0);
        sequences.set(deviceHandle, sequence);
        ackTimesMs.push(nowMs - (sentMs.get(deviceHandle) ?? nowMs));
      }
    }
  };
  read().then(done.resolve, done.reject);
  for (const device of mine) {
    const deviceId = `load-${String(device + 1).padStart(5, "0")}`;
    await stream.write(registrationMessage(device + 1, deviceId, handles));
  }
  const dueAt = Array.from({ length: ticksPerPeriod }, (_, tick) => mine.filter((_, i) => i % ticksPerPeriod === tick));
  // As devices do: they learn there where to go on.
  const readyMs = await Promise.race([allRegistered.promise, done.promise.then(() => 0)]);
  // No fleet's gateways send in step.
  const beganMs = readyMs + (gateway * tickMs) / gateways;
  for (let tick = 0; tick < Math.floor(seconds / periodSeconds) * ticksPerPeriod; tick += 1) {
    const waitMs = beganMs + tick * tickMs - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    const sequence = 1 + Math.floor(tick / ticksPerPeriod);
    const due = dueAt[tick % ticksPerPeriod] ?? [];
    if (due.length === 0) continue;
    const nowMs = Date.now();
    const batches = due.map((device) => {
      sentMs.set(device + 1, performance.now());
      const readings = Float64Array.from(handles, (handle) => handle + Math.random());
      return encodeBatch(device + 1, sequence, [
        { metricHandles: handles, baseTimeMs: nowMs, offsetsMs: [0], values: readings },
      ]);
    });
    await stream.write(encodeBatchesMessage(batches));
  }
  stream.end();
  await done.promise;
  channel.close();
}
