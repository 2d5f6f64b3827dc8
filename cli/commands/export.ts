import { durationFromMs, timestampDate, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Argument, type Command } from "@commander-js/extra-typings";
import { systemClock } from "../../lib/base/clock.ts";
import { invalidField } from "../../lib/base/errors.ts";
import { formatTime } from "../../lib/base/time.ts";
import type { Client } from "../../lib/rpc/client.ts";
import { SampleFrameReader } from "../../lib/wire/sample-frame.ts";
import { FrameReader } from "../../lib/wire/window-frame.ts";
import { QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { connect } from "../connect.ts";
import { writeLines } from "../line-output.ts";
import { setting } from "../options.ts";
import { withServerFlags } from "../server-flags.ts";
import { log } from "../terminal.ts";
import { RowFormatter, sampleRow, type WindowRow, windowRow } from "../window-row.ts";
import {
  deviceSetting,
  fromSetting,
  metricSetting,
  quantileSetting,
  quantilesDefault,
  type Selection,
  selectorOf,
  tierSetting,
  toSetting,
  whereSetting,
} from "./query.ts";

/** What is asked of the server. */
interface Asked {
  readonly query: Client<typeof QueryService, "messages">;
  readonly selection: Selection;
  readonly fromMs: number;
  readonly toMs: number;
  /** Undefined: the server chooses. */
  readonly tierMs: number | undefined;
  readonly quantiles: readonly number[];
}

export function addExport(program: Command): void {
  withServerFlags(
    program
      .command("export")
      .description("write aggregates, or samples that are kept, as CSV or ndjson")
      .addArgument(new Argument("<what>", "what to write").choices(["samples", "aggregates"] as const)),
    { several: true },
  )
    .addOption(deviceSetting())
    .addOption(metricSetting())
    .addOption(whereSetting())
    .addOption(fromSetting())
    .addOption(toSetting())
    .addOption(tierSetting())
    .addOption(quantileSetting())
    .addOption(
      setting("--format <format>", "form of the output")
        .choices(["csv", "ndjson"] as const)
        .default("csv" as const),
    )
    .addOption(setting("--out <file>", "where to write; it appears when it is whole (default: standard output)"))
    .addHelpText(
      "after",
      `
Samples are there for as long as the server keeps them (serve --keep-raw 1h), in the order in which they were settled,
without those that were refused. Both see every sample that was acked before. Samples are those from --from on and before --to; --tier and --quantile are
for aggregates.
Times are RFC 3339 (2026-01-31T12:00:00Z), epoch milliseconds, or relative to now: now, now-1h, now-7d.
Written as fast as it is read: any size goes through a pipe.

Examples:
  $ tidemark export samples --device sim-0001 --from now-10m
  $ tidemark export samples --device 'truck-*' --metric speed --format ndjson | gzip > speed.ndjson.gz
  $ tidemark export aggregates --where site=north --from now-30d --tier 1h --out north.csv`,
    )
    .action(async (what, { from, to, tier, quantile, format, out, ...selection }) => {
      const nowMs = systemClock.nowMs();
      if (what === "samples") refuseForSamples({ tier: tier !== "auto", quantile: quantile !== undefined });
      const channel = await connect(selection);
      try {
        const asked = {
          query: channel.client(QueryService, "messages"),
          selection,
          fromMs: from ?? nowMs - 3_600_000,
          toMs: to ?? nowMs,
          tierMs: tier === "auto" ? undefined : tier,
          quantiles: quantile ?? quantilesDefault,
        };
        const formatter = new RowFormatter(format);
        let rows = 0;
        const chunks = async function* () {
          for await (const page of what === "samples" ? sampleRows(asked) : windowRows(asked)) {
            rows += page.length;
            yield page.flatMap((row) => [...formatter.add(row)]);
          }
        };
        await writeLines(chunks(), out);
        const things = what === "samples" ? "samples" : "windows";
        if (rows === 0) log.info(`no ${things} of this selection in this range`);
        else if (out !== undefined) log.info(`${rows} ${things} in ${out}`);
      } finally {
        channel.close();
      }
    });
}

function refuseForSamples(given: Readonly<Record<string, boolean>>): void {
  const [flag] = Object.keys(given).filter((name) => given[name]);
  if (flag !== undefined) throw invalidField(`--${flag}`, "is for aggregates", "leave it out for samples");
}

/** The rows of each frame. */
async function* windowRows({ query, selection, fromMs, toMs, tierMs, quantiles }: Asked): AsyncGenerator<WindowRow[]> {
  const frames = new FrameReader();
  const responses = query.queryRange({
    selector: selectorOf(selection),
    from: timestampFromMs(fromMs),
    to: timestampFromMs(toMs),
    ...(tierMs !== undefined && { tier: durationFromMs(tierMs) }),
    quantiles: [...quantiles],
  });
  for await (const { frame } of responses) {
    if (frame !== undefined) yield Array.from(frames.read(frame), (window) => windowRow(window, quantiles));
  }
}

/** The rows of each frame. */
async function* sampleRows({ query, selection, fromMs, toMs }: Asked): AsyncGenerator<WindowRow[]> {
  const frames = new SampleFrameReader();
  const responses = query.readSamples({
    selector: selectorOf(selection),
    from: timestampFromMs(fromMs),
    to: timestampFromMs(toMs),
  });
  for await (const { frame, keptFrom } of responses) {
    if (keptFrom !== undefined && timestampDate(keptFrom).getTime() > fromMs) {
      log.info(`what was received before ${formatTime(timestampDate(keptFrom).getTime())} is not kept any more`);
    }
    if (frame === undefined) continue;
    yield Array.from(frames.read(frame), sampleRow);
  }
}
