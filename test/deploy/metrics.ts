/** What `/metrics` has, as `docs/operating.md` tells it, and what an expression of PromQL asks for. */

interface Metric {
  readonly histogram?: true;
  readonly labels?: readonly string[];
}

export const metrics: Readonly<Record<string, Metric>> = {
  rpc_server_call_duration_seconds: { histogram: true, labels: ["rpc_method", "rpc_response_status_code"] },
  tidemark_samples_counted_total: {},
  tidemark_samples_refused_total: { labels: ["reason"] },
  tidemark_batches_duplicate_total: {},
  tidemark_acks_total: {},
  tidemark_rate_delays_total: {},
  tidemark_queue_bytes: { labels: ["hop"] },
  tidemark_queue_limit_bytes: { labels: ["hop"] },
  tidemark_windows_held: {},
  tidemark_windows_held_limit: {},
  tidemark_groups_total: {},
  tidemark_ack_duration_seconds: { histogram: true },
  tidemark_commit_duration_seconds: { histogram: true },
  tidemark_fsyncs_total: {},
  tidemark_flush_duration_seconds: { histogram: true },
  tidemark_checkpoint_duration_seconds: { histogram: true },
  tidemark_wal_bytes: {},
  tidemark_journal_segments: {},
  tidemark_database_bytes: {},
  tidemark_disk_free_bytes: {},
  tidemark_journal_groups: {},
  tidemark_series: {},
  tidemark_ingest_calls: {},
  tidemark_subscribers: {},
  tidemark_connections: {},
  tidemark_connections_refused_total: { labels: ["reason"] },
  tidemark_ready: {},
  tidemark_certificate_not_after_seconds: {},
  tidemark_build_info: { labels: ["version", "node"] },
  tidemark_heap_used_bytes: { labels: ["thread"] },
  tidemark_external_bytes: { labels: ["thread"] },
  nodejs_eventloop_delay_p50_seconds: { labels: ["thread"] },
  nodejs_eventloop_delay_p99_seconds: { labels: ["thread"] },
  nodejs_eventloop_delay_max_seconds: { labels: ["thread"] },
  process_cpu_seconds_total: {},
  process_resident_memory_bytes: {},
  process_open_fds: {},
  process_start_time_seconds: {},
};

/** Added by Prometheus to what it scrapes. */
const scraped = ["job", "instance"];
const functions = ["rate", "sum", "time", "changes", "predict_linear", "histogram_quantile"];
const words = ["and", "or", "unless", "bool", "offset"];
const grouping = /\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)/g;

/** Names of the series that are there, with their labels. */
const series = new Map<string, readonly string[]>([["up", []]]);
for (const [name, { histogram, labels = [] }] of Object.entries(metrics)) {
  if (histogram !== true) series.set(name, labels);
  else
    for (const end of ["_bucket", "_sum", "_count"])
      series.set(name + end, end === "_bucket" ? [...labels, "le"] : labels);
}

/** What an expression asks for that is not there, or that is no PromQL as far as it can be seen from outside. */
export function promqlProblems(expression: string): string[] {
  const plain = expression.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""');
  const groupLabels = [...plain.matchAll(grouping)].flatMap(([, list = ""]) => list.split(","));
  const matcherLabels = [...plain.matchAll(/\{([^}]*)\}/g)].flatMap(([, list = ""]) =>
    list.split(",").map((matcher) => matcher.replace(/(=~|!~|!=|=)\s*""$/, "")),
  );
  const bare = plain.replaceAll(/\{[^}]*\}|\[[^\]]*\]/g, "").replaceAll(grouping, "");
  const names = [...bare.matchAll(/(?<![\w.:])[a-zA-Z_:][\w:]*(?!\s*\()(?![\w:])/g)]
    .map(([name]) => name)
    .filter((name) => !words.includes(name));
  const called = [...bare.matchAll(/([a-zA-Z_:][\w:]*)\s*\(/g)].map(([, name = ""]) => name);
  const known = [...scraped, ...names.flatMap((name) => series.get(name) ?? [])];
  const count = (sign: string) => expression.split(sign).length;
  return [
    ...names.filter((name) => !series.has(name)).map((name) => `there is no metric ${name}`),
    ...called
      .filter((name) => !functions.includes(name) && !words.includes(name))
      .map((name) => `there is no function ${name}`),
    ...[...groupLabels, ...matcherLabels]
      .map((label) => label.trim())
      .filter((label) => label !== "" && !known.includes(label))
      .map((label) => `there is no label ${label}`),
    ...(names.length === 0 ? ["it asks for nothing"] : []),
    ...["()", "{}", "[]"]
      .filter(([open = "", close = ""]) => count(open) !== count(close))
      .map((pair) => `its ${pair} are not even`),
  ];
}
