import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { invalidField, TelemetryError } from "../lib/base/errors.ts";
import {
  heartbeatIntervalMs,
  subscriberWindowsMax,
  subscriptionIntervalMsDefault,
  subscriptionIntervalMsMax,
  subscriptionIntervalMsMin,
  timeMsMax,
} from "../lib/base/limits.ts";
import { waitFor } from "../lib/base/wait.ts";
import type { Revision } from "../lib/store/store.ts";
import { encodeFrame, quantilesOf } from "../lib/wire/window-frame.ts";
import type { SubscribeRequest, SubscribeResponseSchema } from "../proto/gen/telemetry/v1/query_service_pb.js";
import { readQuantiles, readSelector, readTier, readTime } from "./request.ts";
import type { QueryHandlers, QueryOptions } from "./service.ts";
import { PendingChanges } from "./subscription.ts";
import { UnsettledWindows } from "./unsettled-windows.ts";

/** The windows of a selection as they change. */
export function subscribeHandlers(options: QueryOptions): Pick<QueryHandlers, "subscribe"> {
  return {
    subscribe: (request, { signal }) => subscribe(request, AbortSignal.any([signal, options.ending]), options),
  };
}

type SubscribeResponse = MessageInitShape<typeof SubscribeResponseSchema>;

async function* subscribe(
  request: SubscribeRequest,
  signal: AbortSignal,
  { reader, feed, tiers, clock, latenessMs, barrier, subscriptions }: QueryOptions,
): AsyncGenerator<SubscribeResponse, void> {
  const selector = readSelector(request.selector);
  const widthMs = request.tier === undefined ? tiers[0].widthMs : readTier(request.tier, tiers).widthMs;
  const intervalMs = readInterval(request);
  const quantiles = readQuantiles(request.quantiles);
  const fromMs = request.snapshotFrom === undefined ? undefined : readTime("snapshot_from", request.snapshotFrom);
  const heartbeat = (revision: Revision): SubscribeResponse => ({
    event: { case: "heartbeat", value: { revision: BigInt(revision), time: timestampFromMs(clock.nowMs()) } },
  });

  const ask = () => ({ selector, widthMs, quantiles, groupBy: [], nowMs: clock.nowMs(), latenessMs });

  const pending = new PendingChanges({ selector, widthMs }, feed);
  const unsettled = new UnsettledWindows();
  const unsubscribe = await feed.subscribe({ selector, widthMs }, (changes) => pending.add(changes));
  subscriptions.add(pending);
  try {
    let revision: Revision | undefined;
    if (fromMs !== undefined) {
      revision = await barrier(selector, true);
      for await (const page of reader.range({ ...ask(), fromMs, toMs: timeMsMax })) {
        pending.tell(page.series);
        pending.drop(page.windows);
        unsettled.addProvisional(page.windows);
        if (page.windows.length === 0) continue;
        const frame = encodeFrame(widthMs, revision, page.series, page.windows, page.quantileValues);
        yield { event: { case: "snapshot", value: frame } };
      }
    }
    yield heartbeat(revision ?? 0);
    let sentMs = clock.elapsedMs();
    let changesSentMs = Number.NEGATIVE_INFINITY;
    let settleMs = sentMs + heartbeatIntervalMs;
    while (!signal.aborted) {
      if (pending.overflowing) throw tooSlow();
      const heartbeatInMs = sentMs + heartbeatIntervalMs - clock.elapsedMs();
      const changesInMs = changesSentMs + intervalMs - clock.elapsedMs();
      if (pending.length > 0 && changesInMs <= 0) {
        for (const { revision: shown, series, windows } of pending.take()) {
          unsettled.remove(windows);
          const frame = encodeFrame(widthMs, shown, series, windows, quantilesOf(windows, quantiles));
          yield { event: { case: "changes", value: frame } };
        }
        revision = pending.length === 0 ? pending.revision : revision;
        changesSentMs = clock.elapsedMs();
        sentMs = changesSentMs;
      } else if (unsettled.size > 0 && clock.elapsedMs() >= settleMs) {
        for await (const page of reader.range({ ...ask(), ...unsettled.range })) {
          const { windows, quantileValues } = unsettled.takeSettled(page);
          if (windows.length === 0) continue;
          yield { event: { case: "changes", value: encodeFrame(widthMs, revision ?? 0, [], windows, quantileValues) } };
          sentMs = clock.elapsedMs();
        }
        settleMs = clock.elapsedMs() + heartbeatIntervalMs;
      } else if (heartbeatInMs <= 0) {
        yield heartbeat(pending.length === 0 ? Math.max(revision ?? 0, pending.revision) : (revision ?? 0));
        sentMs = clock.elapsedMs();
      } else {
        const settleInMs = unsettled.size > 0 ? settleMs - clock.elapsedMs() : heartbeatInMs;
        const inMs = Math.min(heartbeatInMs, settleInMs);
        if (pending.length > 0) await waitFor(Math.min(changesInMs, inMs), signal);
        else await waitFor(inMs, signal, (wake) => (pending.onChanged = wake));
      }
    }
  } finally {
    unsubscribe();
    subscriptions.remove(pending);
  }
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

function tooSlow(): TelemetryError {
  return new TelemetryError(
    "RESOURCE_EXHAUSTED",
    "SUBSCRIBER_TOO_SLOW",
    `more than ${subscriberWindowsMax} changed windows wait for this subscriber; read faster, or select fewer series`,
  );
}
