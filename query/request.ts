import { type Duration, durationMs, type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { keptFromMs, type Tier, tierName } from "../lib/aggregate/tiers.ts";
import { formatDuration } from "../lib/base/duration.ts";
import { invalidField } from "../lib/base/errors.ts";
import {
  groupLabelsMax,
  labelsMax,
  pointsDefault,
  pointsMax,
  quantilesMax,
  selectorNamesMax,
  selectorPrefixesMax,
  timeMsMax,
  timeMsMin,
} from "../lib/base/limits.ts";
import { formatTime } from "../lib/base/time.ts";
import type { Selector } from "../lib/store/selector.ts";
import type { FrameColumns } from "../lib/wire/frame-encoder.ts";
import { Aggregate, type SeriesSelector } from "../proto/gen/telemetry/v1/query_service_pb.js";

/** Checks of the fields that requests share. All throw TelemetryError INVALID_ARGUMENT. */

export function readSelector(selector: SeriesSelector | undefined): Selector {
  return {
    deviceIds: readNames("selector.device_ids", selector?.deviceIds),
    deviceIdPrefixes: readPrefixes("selector.device_id_prefixes", selector?.deviceIdPrefixes),
    metricNames: readNames("selector.metric_names", selector?.metricNames),
    metricNamePrefixes: readPrefixes("selector.metric_name_prefixes", selector?.metricNamePrefixes),
    labels: readLabels("selector.labels", selector?.labels ?? {}),
  };
}

export function readLabels(
  field: string,
  labels: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> | undefined {
  const names = Object.keys(labels);
  if (names.length > labelsMax) {
    throw invalidField(field, `has ${names.length} entries, the limit is ${labelsMax}`, "ask for fewer");
  }
  return names.length === 0 ? undefined : labels;
}

export function readQuantiles(quantiles: readonly number[]): readonly number[] {
  if (quantiles.length > quantilesMax) {
    throw invalidField("quantiles", `has ${quantiles.length} entries, the limit is ${quantilesMax}`, "ask for fewer");
  }
  const wrong = quantiles.find((quantile) => !(quantile >= 0 && quantile <= 1));
  if (wrong !== undefined) throw invalidField("quantiles", `has ${wrong}`, "write numbers from 0 to 1");
  return quantiles;
}

export function readGroupBy(names: readonly string[]): readonly string[] {
  if (names.length > groupLabelsMax) {
    throw invalidField("group_by", `has ${names.length} entries, the limit is ${groupLabelsMax}`, "group by fewer");
  }
  const wrong = names.find((name, i) => name === "" || names.indexOf(name) !== i);
  if (wrong !== undefined) {
    throw invalidField("group_by", `has ${JSON.stringify(wrong)}, empty or twice`, "name each label once");
  }
  return names;
}

export function readPrefixes(field: string, prefixes: readonly string[] | undefined): readonly string[] | undefined {
  return readNames(field, prefixes, selectorPrefixesMax);
}

function readNames(
  field: string,
  names: readonly string[] = [],
  max = selectorNamesMax,
): readonly string[] | undefined {
  if (names.length > max) {
    throw invalidField(field, `has ${names.length} entries, the limit is ${max}`, "ask for fewer at a time");
  }
  if (names.includes("")) throw invalidField(field, "has an empty entry", "leave it out to select all");
  return names.length === 0 ? undefined : names;
}

export function readTime(field: string, time: Timestamp | undefined): number {
  if (time === undefined) throw invalidField(field, "is missing", "send a time");
  const timeMs = timestampMs(time);
  if (!(timeMs >= timeMsMin && timeMs <= timeMsMax)) {
    throw invalidField(
      field,
      `is ${timeMs} ms`,
      `send a time from ${formatTime(timeMsMin)} to ${formatTime(timeMsMax)}`,
    );
  }
  return timeMs;
}

export function readRange(from: Timestamp | undefined, to: Timestamp | undefined): { fromMs: number; toMs: number } {
  const fromMs = readTime("from", from);
  const toMs = readTime("to", to);
  if (toMs <= fromMs) {
    throw invalidField(
      "to",
      `is ${formatTime(toMs)}, not after from (${formatTime(fromMs)})`,
      "swap them or widen the range",
    );
  }
  return { fromMs, toMs };
}

export function readTier(tier: Duration, tiers: readonly Tier[]): Tier {
  const widthMs = durationMs(tier);
  const found = tiers.find((candidate) => candidate.widthMs === widthMs);
  if (found !== undefined) return found;
  throw invalidField("tier", `is ${formatDuration(widthMs)}`, `choose one of ${tiers.map(tierName).join(", ")}`);
}

/** @returns undefined: all */
export function readAggregates(aggregates: readonly Aggregate[]): FrameColumns {
  const wrong = aggregates.find((each, i) => !(each in Aggregate) || each === 0 || aggregates.indexOf(each) !== i);
  if (wrong !== undefined) {
    throw invalidField("aggregates", `has ${Aggregate[wrong] ?? wrong}, unknown or twice`, "name each of them once");
  }
  return aggregates.length === 0 ? undefined : new Set(aggregates);
}

/**
 * The finest tier that gives at most `points` windows per series and keeps them from the range's start on; the coarsest
 * when none does.
 */
export function autoTier(
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
  points: number,
  tiers: readonly Tier[],
  nowMs: number,
): Tier {
  if (points > pointsMax) {
    throw invalidField("points_max", `is ${points}, the limit is ${pointsMax}`, "ask for fewer");
  }
  const most = points === 0 ? pointsDefault : points;
  const windows = (widthMs: number) => Math.ceil(toMs / widthMs) - Math.floor(fromMs / widthMs);
  const fits = tiers.find((tier) => windows(tier.widthMs) <= most && keptFromMs(tier, nowMs) <= fromMs);
  return fits ?? tiers[tiers.length - 1];
}
