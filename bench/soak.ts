import { statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { printMachine } from "./measure.ts";
import { BenchServer, mib, startLoad } from "./processes.ts";
import { trendOf } from "./report/trend.ts";

/**
 * A fleet behind gateways over a long time, and whether anything of the server grows meanwhile: its memory, its log,
 * its handles. Devices with the same second send together.
 *
 *     node bench/soak.ts                                                                # 100,000 devices, 10 minutes
 *     node bench/soak.ts --devices 30000 --period 1 --gateways 8 --minutes 30 --tiers 10s,1m,1h,1d
 */
const { values } = parseArgs({
  options: {
    devices: { type: "string", default: "100000" },
    metrics: { type: "string", default: "10" },
    period: { type: "string", default: "10" },
    gateways: { type: "string", default: "100" },
    minutes: { type: "string", default: "10" },
    tiers: { type: "string", default: "1m,1h,1d" },
  },
});
const [devices, metrics, period, gateways] = [values.devices, values.metrics, values.period, values.gateways].map(
  Number,
);
const seconds = Number(values.minutes) * 60;
const sampleMs = 5_000;

/** What is looked at, and how it is written. */
const kinds = {
  "resident memory": { now: () => server.memory().rss, text: mib },
  "heap of main": { now: () => figures.get('tidemark_heap_used_bytes{thread="main"}') ?? 0, text: mib },
  "heap of writer": { now: () => figures.get('tidemark_heap_used_bytes{thread="writer"}') ?? 0, text: mib },
  "outside of main": { now: () => figures.get('tidemark_external_bytes{thread="main"}') ?? 0, text: mib },
  "outside of writer": { now: () => figures.get('tidemark_external_bytes{thread="writer"}') ?? 0, text: mib },
  "write-ahead log": { now: () => statSync(join(server.dataDir, "tidemark.sqlite-wal")).size, text: mib },
  "files of the journal": {
    now: () => figures.get("tidemark_journal_segments") ?? 0,
    text: (n: number) => n.toFixed(1),
  },
  handles: { now: () => server.handles(), text: (n: number) => n.toFixed(1) },
};

const server = await BenchServer.start(["--tiers", values.tiers, "--device-rate", "off", "--http", "127.0.0.1:0"]);
/** Of `/metrics`, by their names with labels. */
let figures: ReadonlyMap<string, number> = new Map();
try {
  printMachine();
  console.log(
    `${devices} devices x ${metrics} metrics every ${period} s over ${gateways} gateways, tiers ${values.tiers}`,
  );
  const seen = Object.values(kinds).map((): number[] => []);
  const minutes: number[] = [];
  const cpuAt: number[] = [];
  let isOver = false;
  const load = startLoad(server, devices, metrics, seconds, { period, gateways }).finally(() => {
    isOver = true;
  });
  const startMs = performance.now();
  while (!isOver) {
    await Promise.race([sleep(sampleMs), load]);
    if (isOver) break;
    minutes.push((performance.now() - startMs) / 60_000);
    cpuAt.push(server.cpuSeconds());
    figures = await server.metrics();
    for (const [i, { now }] of Object.values(kinds).entries()) seen[i].push(now());
  }
  const result = await load;
  const half = Math.floor(minutes.length / 2);
  const last = minutes.length - 1;
  const cores = (cpuAt[last] - cpuAt[half]) / ((minutes[last] - minutes[half]) * 60);
  const cpuPerMillion = (server.cpuSeconds() * 1e6) / result.samplesAcked;
  console.log(`sent ${result.samplesSent}, acked ${result.samplesAcked}, in ${result.seconds} s`);
  console.log(`of which ${result.registerSeconds} s to register ${devices} devices`);
  console.log(`ack p50 ${result.ackP50Ms} ms, p99 ${result.ackP99Ms} ms, max ${result.ackMaxMs} ms`);
  console.log(
    `processor: ${cores.toFixed(2)} cores in the second half, ${cpuPerMillion.toFixed(2)} s per million samples`,
  );
  console.log(`resident memory at most ${mib(server.memory().peak)}`);
  for (const [i, [name, { text }]] of Object.entries(kinds).entries()) {
    const { slope, low, high } = trendOf(minutes.slice(half), seen[i].slice(half));
    console.log(
      `${name}: ${text(seen[i][last])} at the end; per minute ${text(slope)} (${text(low)} to ${text(high)})`,
    );
  }
} finally {
  await server.stop();
}
