import { durationFromMs, durationMs, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import type { Command } from "@commander-js/extra-typings";
import { tierName } from "../../lib/aggregate/tiers.ts";
import { systemClock } from "../../lib/base/clock.ts";
import { invalidField } from "../../lib/base/errors.ts";
import { pointsDefault, pointsMax } from "../../lib/base/limits.ts";
import { formatTime, parseTimeArgument } from "../../lib/base/time.ts";
import { FrameReader } from "../../lib/wire/window-frame.ts";
import { type AnswerInfo, QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { aggregateSetting, aggregatesOf, columnsLeftOut } from "../aggregate-options.ts";
import { connect } from "../connect.ts";
import { duration, integer, jsonSetting, list, setting } from "../options.ts";
import { withServerFlags } from "../server-flags.ts";
import { lineWidth, log, printLine } from "../terminal.ts";
import { RowFormatter, rowFormats, windowRow } from "../window-row.ts";

export const deviceSetting = () =>
  setting("--device <id>", "a device, or truck-* for all that begin so; can be given again (default: *)").argParser(
    list,
  );
export const metricSetting = () =>
  setting("--metric <name>", "a metric, or temp* for all that begin so; can be given again (default: *)").argParser(
    list,
  );

export const whereSetting = () =>
  setting("--where <label=value>", "only devices with this label; can be given again").argParser(
    labelArgument("--where"),
  );
export const quantileSetting = () =>
  setting(
    "--quantile <q>",
    "a quantile of each window, 0 to 1; can be given again (default: 0.5, 0.9, 0.95, 0.99)",
  ).argParser(quantile);

export const quantilesDefault: readonly number[] = [0.5, 0.9, 0.95, 0.99];

export interface Selection {
  readonly device?: string[] | undefined;
  readonly metric?: string[] | undefined;
  readonly where?: Readonly<Record<string, string>> | undefined;
}

/** The selector that the flags describe. */
export function selectorOf({ device = [], metric = [], where = {} }: Selection) {
  const devices = namesOf(device);
  const metrics = namesOf(metric);
  return {
    deviceIds: devices.names,
    deviceIdPrefixes: devices.prefixes,
    metricNames: metrics.names,
    metricNamePrefixes: metrics.prefixes,
    labels: { ...where },
  };
}

/** A name that ends with `*` is a prefix; `*` alone selects all, whatever else is there. */
function namesOf(patterns: readonly string[]): { names: string[]; prefixes: string[] } {
  if (patterns.includes("*")) return { names: [], prefixes: [] };
  return {
    names: patterns.filter((pattern) => !pattern.endsWith("*")),
    prefixes: patterns.filter((pattern) => pattern.endsWith("*")).map((pattern) => pattern.slice(0, -1)),
  };
}

function isSelective(selection: Selection): boolean {
  const { labels, ...names } = selectorOf(selection);
  return Object.values(names).some((each) => each.length > 0) || Object.keys(labels).length > 0;
}

/** `LABEL=VALUE`, of a flag that can be given more than once. */
export function labelArgument(flag: string) {
  return (text: string, before: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> => {
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
    if (name === undefined || value === undefined) {
      throw invalidField(flag, `is ${JSON.stringify(text)}`, "write LABEL=VALUE, such as site=north");
    }
    return { ...before, [name]: value };
  };
}

function quantile(text: string, before: readonly number[] = []): readonly number[] {
  const value = Number(text);
  if (!(text.trim() !== "" && value >= 0 && value <= 1)) {
    throw invalidField("--quantile", `is ${JSON.stringify(text)}`, "choose a number from 0 to 1, such as 0.99");
  }
  return [...before, value];
}

/** Milliseconds of a tier, or `auto`. */
function tier(text: string): number | "auto" {
  return text === "auto" ? text : duration("--tier")(text);
}

const time = (flag: string) => (text: string) => parseTimeArgument(text, systemClock.nowMs(), flag);

export const fromSetting = () =>
  setting("--from <time>", "the first window contains this time (default: now-1h)").argParser(time("--from"));
export const toSetting = () =>
  setting("--to <time>", "windows start before this time (default: now)").argParser(time("--to"));
export const tierSetting = () =>
  setting("--tier <width>", "a tier of the server, such as 1m, or auto: the finest with at most --points windows")
    .argParser(tier)
    .default("auto" as const);

/** Which windows these are, and up to when nothing more is expected of them. */
function describeAnswer({ tier, completeUntil }: AnswerInfo): string {
  const width = tier === undefined ? "" : `${tierName({ widthMs: durationMs(tier) })} windows, `;
  const until =
    completeUntil === undefined ? "none complete" : `complete until ${formatTime(timestampMs(completeUntil))}`;
  return width + until;
}

export function addQuery(program: Command): void {
  withServerFlags(program.command("query").description("read aggregated windows"), { several: true })
    .addOption(deviceSetting())
    .addOption(metricSetting())
    .addOption(whereSetting())
    .addOption(
      setting("--group-by <label>", "merge the devices that have the same label; can be given again").argParser(list),
    )
    .addOption(aggregateSetting())
    .addOption(quantileSetting())
    .addOption(fromSetting())
    .addOption(toSetting())
    .addOption(tierSetting())
    .addOption(
      setting("--points <n>", "with --tier auto: most windows of a series")
        .argParser(integer("--points", 1, pointsMax))
        .default(pointsDefault),
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
Sees every sample that was acked before. Windows without samples are left out. A window is provisional while samples
are to be expected, final when the device's watermark has passed it, and corrected when some came later all the same.
Quantiles are within 1 %. A counter's increase counts from the sample before its window, and a fall as a reset.

Examples:
  $ tidemark query --device sim-0001 --metric temperature --from now-10m --tier 10s
  $ tidemark query --metric temperature --from now-1d --tier 1h --format csv
  $ tidemark query --device sim-0001 --from now-7d --points 200 --aggregate mean --aggregate max
  $ tidemark query --metric temperature --group-by site --where model=x200 --tier 1m
  $ tidemark query --device '*' --from 2013-12-01T00:00:00Z --to 2014-03-01T00:00:00Z --tier 1d --format ndjson`,
    )
    .action(
      async ({
        from,
        to,
        tier: tierMs,
        points,
        groupBy = [],
        aggregate = [],
        quantile = aggregate.length === 0 ? quantilesDefault : [],
        format,
        json,
        ...names
      }) => {
        const nowMs = systemClock.nowMs();
        const channel = await connect(names);
        try {
          const responses = channel.client(QueryService, "messages").queryRange({
            selector: selectorOf(names),
            from: timestampFromMs(from ?? nowMs - 3_600_000),
            to: timestampFromMs(to ?? nowMs),
            ...(tierMs !== "auto" && { tier: durationFromMs(tierMs) }),
            pointsMax: points,
            aggregates: aggregatesOf(aggregate),
            quantiles: [...quantile],
            groupBy,
          });
          const frames = new FrameReader();
          const formatter = new RowFormatter(json ? "ndjson" : format, lineWidth());
          const leftOutColumns = columnsLeftOut(aggregate);
          let rows = 0;
          let info: AnswerInfo | undefined;
          for await (const response of responses) {
            info ??= response.info;
            const { frame } = response;
            if (frame === undefined) continue;
            for (const window of frames.read(frame)) {
              rows += 1;
              for (const line of formatter.add(windowRow(window, quantile, leftOutColumns))) printLine(line);
            }
          }
          for (const line of formatter.end()) printLine(line);
          if (rows === 0) log.info(`no windows ${isSelective(names) ? "of this selection " : ""}in this range`);
          const { leftOut } = formatter;
          if (info !== undefined && rows > 0 && format === "table" && !json) log.info(describeAnswer(info));
          if (leftOut.length > 0) log.info(`no room for ${leftOut.join(", ")}: --format csv has all columns`);
        } finally {
          channel.close();
        }
      },
    );
}
