import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Prng } from "../../lib/base/prng.ts";
import { Aggregate } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { printMachine } from "../measure.ts";
import { BenchServer, mib, percentiles, simulate, startLoad } from "../processes.ts";

/**
 * Range queries while a fleet sends: the first frame of one series over a day, a hundred series over a day, and a scan of
 * a million windows with its memory.
 *
 *     node bench/watchers/ranges.ts                     # with 100,000 samples/s of 10,000 devices beside it
 *     node bench/watchers/ranges.ts --load 0
 */
const { values } = parseArgs({ options: { load: { type: "string", default: "100000" } } });
const load = Number(values.load);
const historyDevices = 100;
const metrics = 10;
const minutes = 1_440;
const minuteMs = 60_000;
const fromMs = Date.UTC(2026, 0, 15);
const toMs = fromMs + minutes * minuteMs;

const flags = ["--tiers", "1m,1h,1d"];
let server = await BenchServer.start(flags);
try {
  printMachine();
  await simulate(server, [
    ...[
      "--devices",
      String(historyDevices),
      "--metrics",
      String(metrics),
      "--interval",
      "1m",
      "--batch-samples",
      "1200",
    ],
    ...["--batches", String((minutes * metrics) / 1_200), "--start", "2026-01-15T00:00:00Z", "--speed", "max"],
    ...["--id-prefix", "old-", "--connections", "2"],
  ]);
  await stored();
  // What the import has taken of memory is not part of what a query takes.
  server = await server.restart(flags);
  const seconds = 60;
  const sending = load > 0 ? startLoad(server, load / metrics, metrics, seconds) : undefined;
  await sleep(load > 0 ? 8_000 : 0);
  console.log(`with ${load} samples/s: ${historyDevices * metrics} series x 24 h at 1 min stored`);

  const prng = new Prng(1, "ranges");
  const aDevice = () => `old-${String(1 + Math.floor(prng.uniform() * historyDevices)).padStart(4, "0")}`;
  const temperature = ["temperature"];
  const first: number[] = [];
  const whole: number[] = [];
  for (let i = 0; i < 500; i += 1) {
    const { firstMs, wholeMs } = await ask({ deviceIds: [aDevice()], metricNames: temperature });
    if (i >= 20) first.push(firstMs);
    whole.push(wholeMs);
  }
  const empty: number[] = [];
  for (let i = 0; i < 500; i += 1) {
    const start = performance.now();
    await server.query.listMetrics({ selector: { deviceIds: [aDevice()] }, pageSize: 1 });
    empty.push(performance.now() - start);
  }
  console.log(`  for comparison, a list of one   ${percentiles(empty)}`);
  console.log(`  1 series x 24 h, first frame    ${percentiles(first)}`);
  console.log(`  1 series x 24 h, whole          ${percentiles(whole)}`);

  const mean = [Aggregate.COUNT, Aggregate.SUM];
  const ten = Array.from({ length: 10 }, (_, i) => `old-${String(1 + i).padStart(4, "0")}`);
  const hundred = Array.from({ length: 100 }, (_, i) => `old-${String(1 + i).padStart(4, "0")}`);
  for (const [name, selector, aggregates] of [
    ["10 devices x 10 metrics, all  ", { deviceIds: ten }, []],
    ["10 devices x 10 metrics, mean ", { deviceIds: ten }, mean],
    ["100 devices x 1 metric, all   ", { deviceIds: hundred, metricNames: temperature }, []],
    ["100 devices x 1 metric, mean  ", { deviceIds: hundred, metricNames: temperature }, mean],
  ] as const) {
    const times: number[] = [];
    for (let i = 0; i < 8; i += 1) times.push((await ask(selector, aggregates)).wholeMs);
    console.log(`  100 series x 24 h, ${name} ${percentiles(times.slice(1))}`);
  }

  const before = server.memory();
  let rssMax = 0;
  const watching = setInterval(() => (rssMax = Math.max(rssMax, server.memory().rss)), 20);
  const scan = await ask({ deviceIdPrefixes: ["old-"] });
  clearInterval(watching);
  console.log(
    `  scan of ${scan.windows} windows: ${(scan.wholeMs / 1_000).toFixed(2)} s, RSS ${mib(before.rss)} and ` +
      `${mib(rssMax - before.rss)} more at most`,
  );
  const result = await sending;
  if (result !== undefined) {
    const rate = Math.round(result.samplesAcked / result.seconds);
    console.log(`  load: ${rate} samples/s acked, ack p50 ${result.ackP50Ms} p99 ${result.ackP99Ms} ms`);
  }
} finally {
  await server.stop();
}

interface Asked {
  readonly deviceIds?: readonly string[];
  readonly deviceIdPrefixes?: readonly string[];
  readonly metricNames?: readonly string[];
}

async function ask(selector: Asked, aggregates: readonly Aggregate[] = []) {
  const { deviceIds = [], deviceIdPrefixes = [], metricNames = [] } = selector;
  const start = performance.now();
  let firstMs = 0;
  let windows = 0;
  const responses = server.query.queryRange({
    selector: { deviceIds: [...deviceIds], deviceIdPrefixes: [...deviceIdPrefixes], metricNames: [...metricNames] },
    from: timestampFromMs(fromMs),
    to: timestampFromMs(toMs),
    tier: durationFromMs(minuteMs),
    aggregates: [...aggregates],
  });
  for await (const { frame } of responses) {
    if (firstMs === 0) firstMs = performance.now() - start;
    windows += frame?.seriesHandles.length ?? 0;
  }
  return { firstMs, wholeMs: performance.now() - start, windows };
}

/** Waits until everything that was acked is in the tables. */
async function stored(): Promise<void> {
  while ((await server.admin.getStatus({})).journalGroups > 0n) await sleep(200);
}
