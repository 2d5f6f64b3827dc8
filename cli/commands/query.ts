import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Command } from "@commander-js/extra-typings";
import { systemClock } from "../../lib/base/clock.ts";
import { parseTimeArgument } from "../../lib/base/time.ts";
import { FrameReader } from "../../lib/wire/window-frame.ts";
import { QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { connect } from "../connect.ts";
import { addressSetting, duration, jsonSetting, list, setting } from "../options.ts";
import { log, printLine } from "../terminal.ts";
import { RowFormatter, rowFormats, windowRow } from "../window-row.ts";

export const deviceSetting = () =>
  setting("--device <id>", "a device; can be given again; * means all (default: *)").argParser(list);
export const metricSetting = () =>
  setting("--metric <name>", "a metric; can be given again; * means all (default: *)").argParser(list);

/** The selector that the flags describe. */
export function selectorOf({
  device = [],
  metric = [],
}: {
  device?: string[] | undefined;
  metric?: string[] | undefined;
}) {
  return { deviceIds: device.includes("*") ? [] : device, metricNames: metric.includes("*") ? [] : metric };
}

/** Milliseconds of a tier, or `auto`. */
function tier(text: string): number | "auto" {
  return text === "auto" ? text : duration("--tier")(text);
}

const time = (flag: string) => (text: string) => parseTimeArgument(text, systemClock.nowMs(), flag);

export function addQuery(program: Command): void {
  program
    .command("query")
    .description("read aggregated windows")
    .addOption(addressSetting())
    .addOption(deviceSetting())
    .addOption(metricSetting())
    .addOption(
      setting("--from <time>", "the first window contains this time (default: now-1h)").argParser(time("--from")),
    )
    .addOption(setting("--to <time>", "windows start before this time (default: now)").argParser(time("--to")))
    .addOption(
      setting("--tier <width>", "10s, 1m, 1h, 1d or auto")
        .argParser(tier)
        .default("auto" as const),
    )
    .addOption(
      setting("--format <format>", "form of the output")
        .choices(rowFormats)
        .default("table" as const),
    )
    .addOption(jsonSetting())
    .addHelpText(
      "after",
      `
Times are RFC 3339 (2026-01-31T12:00:00Z), epoch milliseconds, or relative to now: now, now-1h, now-7d.
Sees every sample that was acked before. Windows without samples are left out.

Examples:
  $ tidemark query --device sim-0001 --metric temperature --from now-10m --tier 10s
  $ tidemark query --metric temperature --from now-1d --tier 1h --format csv
  $ tidemark query --device '*' --from 2013-12-01T00:00:00Z --to 2014-03-01T00:00:00Z --tier 1d --format ndjson`,
    )
    .action(async ({ address, from, to, tier: tierMs, format, json, ...names }) => {
      const nowMs = systemClock.nowMs();
      const channel = await connect(address);
      try {
        const responses = channel.client(QueryService, "messages").queryRange({
          selector: selectorOf(names),
          from: timestampFromMs(from ?? nowMs - 3_600_000),
          to: timestampFromMs(to ?? nowMs),
          ...(tierMs !== "auto" && { tier: durationFromMs(tierMs) }),
        });
        const frames = new FrameReader();
        const formatter = new RowFormatter(json ? "ndjson" : format);
        let rows = 0;
        for await (const { frame } of responses) {
          if (frame === undefined) continue;
          for (const window of frames.read(frame)) {
            rows += 1;
            for (const line of formatter.add(windowRow(window))) printLine(line);
          }
        }
        for (const line of formatter.end()) printLine(line);
        if (rows === 0) log.info("no windows in this range");
      } finally {
        channel.close();
      }
    });
}
