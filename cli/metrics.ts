import { statfsSync, statSync } from "node:fs";
import { Counter, collectDefaultMetrics, Gauge, Histogram, type Metric, Registry } from "prom-client";
import type { Inlet } from "../ingest/inlet.ts";
import type { Writer } from "../ingest/writer.ts";
import { type HistogramCounts, histogramBounds } from "../lib/base/duration-histogram.ts";
import { heldWindowsMax } from "../lib/base/limits.ts";
import { LoopDelay, type LoopDelays } from "../lib/base/loop-delay.ts";
import { type ThreadMemory, threadMemory } from "../lib/base/thread-memory.ts";
import type { CallOver } from "../lib/rpc/call-over.ts";
import type { Listener } from "../lib/rpc/listener.ts";
import { databaseFile } from "../lib/store/sqlite/database.ts";
import { RefusalReason } from "../proto/gen/telemetry/v1/batch_pb.js";
import type { Subscriptions } from "../query/subscriptions.ts";
import { byteHops } from "./hops.ts";
import { version } from "./version.ts";

/** Where the figures come from. */
export interface MetricSources {
  readonly dataDir: string;
  readonly inlet: Inlet;
  readonly writer: Writer;
  readonly subscriptions: Subscriptions;
  readonly listeners: readonly Listener[];
  readonly isReady: () => boolean;
  /** When the server's certificate ends, in milliseconds since 1970; undefined: it has none. */
  readonly certificateEndMs: number | undefined;
}

/** OpenTelemetry's bounds for `rpc.server.call.duration`, in seconds. */
const callBounds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

/**
 * What the server measures, in Prometheus' text form, by OpenTelemetry's names where there are some. No label has a value
 * that clients choose: neither devices nor metrics of theirs.
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly #loopDelay = new LoopDelay();
  readonly #calls = new Histogram({
    name: "rpc_server_call_duration_seconds",
    help: "Duration of gRPC calls, streams from their beginning to their end",
    labelNames: ["rpc_method", "rpc_response_status_code"],
    buckets: callBounds,
    registers: [this.#registry],
  });

  constructor() {
    collectDefaultMetrics({ register: this.#registry });
    // By its own means, and of one thread only.
    for (const name of this.#registry.getMetricsAsArray().map((metric) => metric.name)) {
      if (name.startsWith("nodejs_eventloop_lag")) this.#registry.removeSingleMetric(name);
    }
    this.#gauge("tidemark_build_info", "1, with the versions as labels", ["version", "node"]).set(
      { version: version(), node: process.versions.node },
      1,
    );
  }

  onCallOver = ({ path, status, durationMs }: CallOver): void => {
    this.#calls.observe({ rpc_method: path.slice(1), rpc_response_status_code: status }, durationMs / 1_000);
  };

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** What is to be read when somebody asks. */
  async read(sources: MetricSources): Promise<string> {
    const { writer, inlet, subscriptions, dataDir } = sources;
    const [status, measures] = await Promise.all([writer.call("status"), writer.call("measures")]);
    this.#count("tidemark_samples_counted_total", "Samples counted in the aggregates", status.samplesCounted);
    this.#countBy("tidemark_samples_refused_total", "Samples refused, by reason", "reason", [
      ...status.refused.map(({ reason, samples }) => [RefusalReason[reason].toLowerCase(), samples] as const),
    ]);
    this.#count("tidemark_acks_total", "Batches and gaps that were settled on disk and acked", status.batchesSettled);
    this.#count(
      "tidemark_batches_duplicate_total",
      "Batches that had been settled before, and changed nothing",
      status.batchesDuplicate,
    );
    this.#count(
      "tidemark_rate_delays_total",
      "Times that a call was made to wait for the rate of a device",
      status.rateDelays,
    );
    this.#count("tidemark_groups_total", "Groups stored in the journal, each with one commit", status.groups);
    this.#count("tidemark_fsyncs_total", "Times that the store made the disk keep what was written", measures.fsyncs);
    const hops = byteHops(inlet, subscriptions);
    this.#setBy(
      "tidemark_queue_bytes",
      "What waits at a hop of the pipeline: the fullest call, all calls, the slowest subscriber",
      "hop",
      hops.map(({ name, used }) => [name, used]),
    );
    this.#setBy(
      "tidemark_queue_limit_bytes",
      "How much may wait at a hop",
      "hop",
      hops.map(({ name, limit }) => [name, limit]),
    );
    this.#set(
      "tidemark_windows_held",
      "Windows in memory, in the journal and not in their table yet",
      status.heldWindows,
    );
    this.#set("tidemark_windows_held_limit", "How many windows may be in memory", heldWindowsMax);
    this.#set("tidemark_journal_groups", "Groups that not every table shows yet", status.journalGroups);
    this.#set("tidemark_series", "Series of all devices", status.series);
    this.#set("tidemark_ingest_calls", "Calls of IngestService that are open", inlet.openCalls);
    this.#set("tidemark_subscribers", "Subscribers that are connected", subscriptions.size);
    this.#setFiles(dataDir);
    this.#setConnections(sources.listeners);
    this.#set("tidemark_ready", "1 when the server takes and stores batches", sources.isReady() ? 1 : 0);
    const endMs = sources.certificateEndMs;
    if (endMs !== undefined) {
      this.#set(
        "tidemark_certificate_not_after_seconds",
        "When the server's certificate ends, since 1970",
        endMs / 1_000,
      );
    }
    this.#durations(
      "tidemark_ack_duration_seconds",
      "How long batches wait for their acks in the server, counted once for all that come within some milliseconds",
      inlet.ackDelays.read(),
    );
    this.#durations("tidemark_commit_duration_seconds", "Duration of a commit to the journal", measures.commits);
    this.#durations("tidemark_flush_duration_seconds", "Duration of a step of storing windows", measures.flushes);
    this.#durations(
      "tidemark_checkpoint_duration_seconds",
      "Duration of moving the log into the database",
      measures.checkpoints,
    );
    this.#set("tidemark_journal_segments", "Files of the journal, and those kept for its next ones", measures.segments);
    this.#setLoopDelays({ main: this.#loopDelay.read(), writer: measures.loopDelays });
    this.#setMemory({ main: threadMemory(), writer: measures.memory });
    return await this.#registry.metrics();
  }

  close(): void {
    this.#loopDelay.close();
    this.#registry.clear();
  }

  #setFiles(dataDir: string): void {
    const file = databaseFile(dataDir);
    this.#set("tidemark_database_bytes", "Size of the database's file", sizeOf(file));
    this.#set(
      "tidemark_wal_bytes",
      "Size of the write-ahead log's file, which keeps the size that it once had",
      sizeOf(`${file}-wal`),
    );
    const { bavail, bsize } = statfsSync(dataDir);
    this.#set("tidemark_disk_free_bytes", "Free on the disk of the data directory", bavail * bsize);
  }

  #setConnections(listeners: readonly Listener[]): void {
    const sum = (of: (listener: Listener) => number) => listeners.reduce((all, each) => all + of(each), 0);
    this.#set(
      "tidemark_connections",
      "Connections of clients",
      sum(({ connections }) => connections),
    );
    this.#countBy("tidemark_connections_refused_total", "Connections turned away, by reason", "reason", [
      ...(["full", "silent", "handshake", "certificate"] as const).map(
        (reason) => [reason, sum(({ refusals }) => refusals[reason])] as const,
      ),
    ]);
  }

  #setLoopDelays(delays: Readonly<Record<"main" | "writer", LoopDelays>>): void {
    for (const key of ["p50", "p99", "max"] as const) {
      const help = `How late the event loop of a thread was since the last reading: ${key}`;
      this.#setBy(`nodejs_eventloop_delay_${key}_seconds`, help, "thread", [
        ["main", delays.main[key]],
        ["writer", delays.writer[key]],
      ]);
    }
  }

  #setMemory(memory: Readonly<Record<"main" | "writer", ThreadMemory>>): void {
    const of = (kind: keyof ThreadMemory) =>
      Object.entries(memory).map(([thread, each]) => [thread, each[kind]] as const);
    this.#setBy("tidemark_heap_used_bytes", "Used of the heap of a thread, garbage too", "thread", of("heapUsed"));
    this.#setBy(
      "tidemark_external_bytes",
      "Memory of a thread outside of its heap, such as buffers",
      "thread",
      of("external"),
    );
  }

  #set(name: string, help: string, value: number): void {
    this.#gauge(name, help, []).set(value);
  }

  #setBy(name: string, help: string, label: string, values: readonly (readonly [string, number])[]): void {
    const gauge = this.#gauge(name, help, [label]);
    for (const [key, value] of values) gauge.set({ [label]: key }, value);
  }

  #gauge(name: string, help: string, labelNames: string[]): Gauge {
    const known = this.#registry.getSingleMetric(name) as Gauge | undefined;
    return known ?? new Gauge({ name, help, labelNames, registers: [this.#registry] });
  }

  #count(name: string, help: string, value: number): void {
    const counter = this.#counter(name, help, []);
    counter.reset();
    counter.inc(value);
  }

  #countBy(name: string, help: string, label: string, values: readonly (readonly [string, number])[]): void {
    const counter = this.#counter(name, help, [label]);
    counter.reset();
    for (const [key, value] of values) counter.inc({ [label]: key }, value);
  }

  #counter(name: string, help: string, labelNames: string[]): Counter {
    const known = this.#registry.getSingleMetric(name) as Counter | undefined;
    return known ?? new Counter({ name, help, labelNames, registers: [this.#registry] });
  }

  /** They were counted elsewhere, which a histogram of the library does not take. */
  #durations(name: string, help: string, counts: HistogramCounts): void {
    this.#registry.removeSingleMetric(name);
    const metric = { name, help, type: "histogram", aggregator: "sum", values: histogramValues(name, counts) };
    this.#registry.registerMetric({ name, get: async () => metric } as unknown as Metric);
  }
}

function histogramValues(name: string, { counts, sumSeconds }: HistogramCounts) {
  let count = 0;
  const buckets = [...histogramBounds, "+Inf"].map((le, i) => {
    count += counts[i];
    return { metricName: `${name}_bucket`, labels: { le }, value: count };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels: {}, value: sumSeconds },
    { metricName: `${name}_count`, labels: {}, value: count },
  ];
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
