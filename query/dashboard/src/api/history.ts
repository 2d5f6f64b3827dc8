import { durationFromMs, durationMs, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { FrameReader, type Window } from "../../../../lib/wire/frame-reader.ts";
import { Aggregate } from "../../../../proto/gen/telemetry/v1/query_service_pb.js";
import { type Pick, selectorOf } from "../state/pick.ts";
import { quantilesAsked } from "../state/series-columns.ts";
import type { Span } from "../state/time-range.ts";
import type { Api } from "./transport.ts";

/** Windows of a series in an answer; a chart is hardly wider. */
const pointsMax = 1_000;
const historyMsMax = 60_000;

/** The columns that charts, tables and CSV have. */
export const aggregatesAsked = [
  Aggregate.COUNT,
  Aggregate.SUM,
  Aggregate.MIN,
  Aggregate.MAX,
  Aggregate.LAST,
  Aggregate.INCREASE,
];

export interface HistoryQuery {
  readonly picks: readonly Pick[];
  /** Names of labels; with some, the metrics that were picked are asked of all devices that have the labels. */
  readonly groupBy: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly span: Span;
  /** Undefined: as the server chooses. */
  readonly tierMs: number | undefined;
}

export interface HistoryInfo {
  readonly tierMs: number;
  /** Windows that end until then are final; undefined: none is. */
  readonly completeUntilMs: number | undefined;
}

/**
 * Reads the windows of a span.
 * @param put is called with each frame, and its revision
 * @throws ConnectError
 */
export async function readHistory(
  { query }: Api,
  { picks, groupBy, labels, span, tierMs }: HistoryQuery,
  signal: AbortSignal,
  put: (windows: readonly Window[], revision: number, tierMs: number) => void,
): Promise<HistoryInfo> {
  const { deviceIds, metricNames } = selectorOf(picks);
  const isGrouped = groupBy.length > 0;
  const request = {
    selector: { deviceIds: isGrouped ? [] : deviceIds, metricNames, labels: isGrouped ? labels : {} },
    from: timestampFromMs(span.fromMs),
    to: timestampFromMs(span.toMs),
    ...(tierMs !== undefined && { tier: durationFromMs(tierMs) }),
    pointsMax,
    quantiles: [...quantilesAsked],
    groupBy: [...groupBy],
    aggregates: aggregatesAsked,
  };
  const frames = new FrameReader();
  let told: HistoryInfo = { tierMs: tierMs ?? 0, completeUntilMs: undefined };
  for await (const { frame, info } of query.queryRange(request, { signal, timeoutMs: historyMsMax })) {
    if (info !== undefined) {
      told = {
        tierMs: info.tier === undefined ? told.tierMs : durationMs(info.tier),
        completeUntilMs: info.completeUntil && timestampMs(info.completeUntil),
      };
    }
    if (frame !== undefined) put([...frames.read(frame)], Number(frame.revision), told.tierMs);
  }
  return told;
}
