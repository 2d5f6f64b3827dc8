import { durationMs } from "@bufbuild/protobuf/wkt";
import { windowStart } from "../lib/aggregate/tiers.ts";
import { invalidField } from "../lib/base/errors.ts";
import {
  subscriptionIntervalMsDefault,
  subscriptionIntervalMsMax,
  subscriptionIntervalMsMin,
} from "../lib/base/limits.ts";
import type { SubscribeRequest } from "../proto/gen/telemetry/v1/query_service_pb.js";
import { readAggregates, readQuantiles, readSelector, readTier, readTime } from "./request.ts";
import { type Place, TokenScope } from "./resume-token.ts";
import type { QueryHandlers, QueryOptions } from "./service.ts";
import { Subscriber } from "./subscriber.ts";

/** The windows of a selection as they change. */
export function subscribeHandlers(options: QueryOptions): Pick<QueryHandlers, "subscribe"> {
  const { tiers, incarnation, subscriptions } = options;
  return {
    async *subscribe(request, context) {
      const selector = readSelector(request.selector);
      const widthMs = request.tier === undefined ? tiers[0].widthMs : readTier(request.tier, tiers).widthMs;
      const intervalMs = readInterval(request);
      const quantiles = readQuantiles(request.quantiles);
      const columns = readAggregates(request.aggregates);
      const scope = new TokenScope(incarnation, { selector, widthMs });
      const from = readPlace(request, scope, widthMs);
      yield* subscriptions.with({ selector, widthMs, quantiles, columns }, (selection) => {
        return new Subscriber(selection, { from, intervalMs, scope }, context, options).messages(from);
      });
    },
  };
}

function readPlace(
  { resumeToken, snapshotFrom }: SubscribeRequest,
  scope: TokenScope,
  widthMs: number,
): Place | undefined {
  if (resumeToken.length > 0) return scope.decode(resumeToken);
  if (snapshotFrom === undefined) return undefined;
  return { kind: "snapshot", fromMs: windowStart(readTime("snapshot_from", snapshotFrom), widthMs) };
}

function readInterval({ intervalMin }: SubscribeRequest): number {
  if (intervalMin === undefined) return subscriptionIntervalMsDefault;
  const intervalMs = durationMs(intervalMin);
  if (intervalMs < subscriptionIntervalMsMin || intervalMs > subscriptionIntervalMsMax) {
    throw invalidField(
      "interval_min",
      `is ${intervalMs} ms`,
      `choose ${subscriptionIntervalMsMin} to ${subscriptionIntervalMsMax} ms`,
    );
  }
  return intervalMs;
}
