import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { keptFromMs, type Tier } from "../lib/aggregate/tiers.ts";
import { firstFrameWindowsMax, frameWindowsMax } from "../lib/base/limits.ts";
import { embed } from "../lib/wire/embed.ts";
import { type AnswerInfoSchema, QueryRangeResponseSchema } from "../proto/gen/telemetry/v1/query_service_pb.js";
import { openAnswer } from "./answer.ts";
import { checkDevicesKnown } from "./known-devices.ts";
import { autoTier, readAggregates, readGroupBy, readQuantiles, readRange, readSelector, readTier } from "./request.ts";
import type { QueryHandlers, QueryOptions } from "./service.ts";

/** Windows of a time range. */
export function rangeHandlers(options: QueryOptions): Pick<QueryHandlers, "queryRange"> {
  const { reader, tiers, clock, latenessMs } = options;
  return {
    async *queryRange(request, { signal }) {
      const selector = readSelector(request.selector);
      const range = readRange(request.from, request.to);
      const quantiles = readQuantiles(request.quantiles);
      const groupBy = readGroupBy(request.groupBy);
      const aggregates = readAggregates(request.aggregates);
      const nowMs = clock.nowMs();
      const tier =
        request.tier === undefined ? autoTier(range, request.pointsMax, tiers, nowMs) : readTier(request.tier, tiers);
      await checkDevicesKnown(reader, selector.deviceIds);
      const { widthMs } = tier;
      const asked = { selector, widthMs, ...range, aggregates, quantiles, groupBy, nowMs, latenessMs };
      const { reading, revision, exact } = await openAnswer(asked, options, signal);
      try {
        const first = await reading.nextFrame(firstFrameWindowsMax, revision);
        // It tells tier and revision even when there is nothing else to tell.
        const info = infoOf(tier, nowMs, { ...reading.start, revision, exact });
        const head = toBinary(QueryRangeResponseSchema, create(QueryRangeResponseSchema, { info }));
        if (first !== undefined) yield Buffer.concat([head, embed(1, first.frame)]);
        for (;;) {
          const page = await reading.nextFrame(frameWindowsMax, revision);
          if (page === undefined) return;
          if (page.windows > 0) yield embed(1, page.frame);
        }
      } finally {
        reading.close();
      }
    },
  };
}

interface AnswerFacts {
  readonly revision: number;
  readonly exact: boolean;
  readonly storedUntilMs: number;
  readonly completeUntilMs: number | undefined;
}

function infoOf(
  tier: Tier,
  nowMs: number,
  { revision, exact, storedUntilMs, completeUntilMs }: AnswerFacts,
): MessageInitShape<typeof AnswerInfoSchema> {
  const { widthMs, retentionMs } = tier;
  return {
    tier: durationFromMs(widthMs),
    revision: BigInt(revision),
    exact,
    ...(Number.isFinite(storedUntilMs) && { storedUntil: timestampFromMs(storedUntilMs) }),
    ...(completeUntilMs !== undefined && { completeUntil: timestampFromMs(completeUntilMs) }),
    ...(retentionMs !== undefined && { keptFrom: timestampFromMs(keptFromMs(tier, nowMs)) }),
  };
}
