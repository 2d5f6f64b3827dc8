import { parseArgs } from "node:util";
import { Channel } from "../lib/rpc/client.ts";
import { encodeBatch, encodeBatchesMessage } from "../lib/wire/batch-encoder.ts";
import { IngestService } from "../proto/gen/telemetry/v1/ingest_service_pb.js";
import { printMachine } from "./measure.ts";
import { BenchServer, startLoad } from "./processes.ts";
import { registrationMessage } from "./registration-message.ts";

/**
 * What one device that sends 100 times what it may does to the acks of the others: pairs of phases, without it and with
 * it, in turn. It is another device each time, so that it has all of its saved-up rate.
 *
 *     node bench/fairness.ts
 *     node bench/fairness.ts --pairs 7 --seconds 20 --small
 */
const { values } = parseArgs({
  options: {
    pairs: { type: "string", default: "5" },
    seconds: { type: "string", default: "15" },
    devices: { type: "string", default: "200" },
    gateways: { type: "string", default: "40" },
    "device-rate": { type: "string", default: "10000" },
    /** Batches of one reading, which cost the server the most per byte. */
    small: { type: "boolean", default: false },
  },
});
const [pairs, seconds, devices, gateways] = [values.pairs, values.seconds, values.devices, values.gateways].map(Number);
const samplesPerSecond = 100 * Number(values["device-rate"]);
const metrics = 10;
const timesPerBatch = values.small ? 1 : 10;
const batchesPerMessage = 16;
const handles = Array.from({ length: metrics }, (_, m) => m + 1);

/** Sends on time, or as fast as it may. */
class LoudDevice {
  readonly #channel: Channel;
  readonly #stream;
  readonly #sending: Promise<void>;
  readonly #reading: Promise<void>;
  #acked = 0;
  #isStopping = false;

  constructor(address: string, deviceId: string) {
    this.#channel = new Channel(address);
    this.#stream = this.#channel.client(IngestService, "bytes").streamBatches();
    this.#reading = this.#read();
    this.#sending = this.#send(deviceId);
  }

  /** @returns samples that were acked */
  async stop(): Promise<number> {
    this.#isStopping = true;
    // It may be waiting for its rate for minutes.
    this.#channel.close();
    await Promise.allSettled([this.#sending, this.#reading]);
    return this.#acked * metrics * timesPerBatch;
  }

  async #read(): Promise<void> {
    for await (const { message } of this.#stream.responses) {
      if (message.case === "ack") this.#acked = Number(message.value.devices[0].ackedSequence);
      if (this.#isStopping) return;
    }
  }

  async #send(deviceId: string): Promise<void> {
    await this.#stream.write(registrationMessage(1, deviceId, handles));
    const startMs = performance.now();
    let sequence = 0;
    while (!this.#isStopping) {
      const sent = sequence * metrics * timesPerBatch;
      const aheadMs = (sent * 1_000) / samplesPerSecond - (performance.now() - startMs);
      if (aheadMs > 1) await new Promise((resolve) => setTimeout(resolve, aheadMs));
      const batches = Array.from({ length: batchesPerMessage }, () => {
        sequence += 1;
        return encodeBatch(1, sequence, [
          {
            metricHandles: handles,
            baseTimeMs: Date.now(),
            offsetsMs: Array.from({ length: timesPerBatch }, (_, i) => i),
            values: Float64Array.from({ length: metrics * timesPerBatch }, () => Math.random()),
          },
        ]);
      });
      await this.#stream.write(encodeBatchesMessage(batches));
    }
  }
}

const server = await BenchServer.start(["--device-rate", values["device-rate"]]);
try {
  printMachine();
  console.log(`${devices} devices of ${metrics} samples/s, and one of ${samplesPerSecond}, ${seconds} s each`);
  const ratios: number[] = [];
  // The first ones warm the server up.
  for (let pair = 0; pair <= pairs; pair += 1) {
    const quiet = await startLoad(server, devices, metrics, seconds, { gateways });
    const loud = new LoudDevice(server.address, `loud-${pair}`);
    const beside = await startLoad(server, devices, metrics, seconds, { gateways });
    const samples = await loud.stop();
    const ratio = beside.ackP99Ms / quiet.ackP99Ms;
    if (pair > 0) ratios.push(ratio);
    console.log(
      `ack p50 ${quiet.ackP50Ms} | ${beside.ackP50Ms} ms, p99 ${quiet.ackP99Ms} | ${beside.ackP99Ms} ms (${ratio.toFixed(2)} times), ` +
        `max ${quiet.ackMaxMs} | ${beside.ackMaxMs} ms; it got ${samples} samples through${pair === 0 ? "; not counted" : ""}`,
    );
  }
  ratios.sort((a, b) => a - b);
  console.log(
    `p99 with it is ${ratios[pairs >> 1].toFixed(2)} times (${ratios[0].toFixed(2)} to ${ratios[pairs - 1].toFixed(2)}) that without`,
  );
} finally {
  await server.stop();
}
