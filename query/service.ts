import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Tier } from "../lib/aggregate/tiers.ts";
import type { Clock } from "../lib/base/clock.ts";
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
import type { Handlers } from "../lib/rpc/server.ts";
import type { LiveFeed } from "../lib/store/live-feed.ts";
import type { DeviceRow, Revision, Selector } from "../lib/store/store.ts";
import { encodeFrame, encodeMetric, quantilesOf } from "../lib/wire/window-frame.ts";
import type {
  DeviceSchema,
  QueryService,
  SubscribeRequest,
  SubscribeResponseSchema,
} from "../proto/gen/telemetry/v1/query_service_pb.js";
import { checkPageSize, decodePageToken, encodePageToken } from "./page-token.ts";
import type { Reader } from "./reader.ts";
import { autoTier, readGroupBy, readQuantiles, readRange, readSelector, readTier, readTime } from "./request.ts";
import { PendingChanges } from "./subscription.ts";
import type { Subscriptions } from "./subscriptions.ts";
import { UnsettledWindows } from "./unsettled-windows.ts";

export interface QueryOptions {
  readonly reader: Reader;
  readonly feed: LiveFeed;
  readonly subscriptions: Subscriptions;
  /** Finest first. */
  readonly tiers: readonly Tier[];
  readonly clock: Clock;
  /** How late a sample may be before its window counts as final. */
  readonly latenessMs: number;
  /**
   * Resolves when the tables show everything acked so far: the windows of a selection (undefined: none), and how far
   * sessions have come (`sessions`).
   */
  readonly barrier: (selector: Selector | undefined, sessions: boolean) => Promise<Revision>;
  /** Aborted when the server ends: subscriptions end with it. */
  readonly ending: AbortSignal;
}

export function queryHandlers(options: QueryOptions): Handlers<typeof QueryService, "messages"> {
  const { reader, tiers, barrier, clock, latenessMs } = options;
  return {
    async listDevices({ pageSize, pageToken }) {
      const size = checkPageSize(pageSize);
      const [after = ""] = pageToken === "" ? [] : decodePageToken("devices", pageToken, 1);
      await barrier(undefined, true);
      // One more than asked for tells whether there is a next page.
      const rows = await reader.call("devices", after, size + 1);
      const devices = rows.slice(0, size);
      const last = rows.length > size ? devices[devices.length - 1] : undefined;
      return {
        devices: devices.map(encodeDevice),
        nextPageToken: last === undefined ? "" : encodePageToken("devices", [last.deviceId]),
      };
    },

    async listMetrics(request) {
      const selector = readSelector(request.selector);
      const size = checkPageSize(request.pageSize);
      const [deviceId, name] = request.pageToken === "" ? [] : decodePageToken("metrics", request.pageToken, 2);
      const after = deviceId === undefined || name === undefined ? undefined : { deviceId, name };
      await checkDevicesKnown(reader, selector.deviceIds);
      const rows = await reader.call("series", selector, after, size + 1);
      const series = rows.slice(0, size);
      const last = rows.length > size ? series[series.length - 1] : undefined;
      return {
        metrics: series.map(encodeMetric),
        nextPageToken: last === undefined ? "" : encodePageToken("metrics", [last.deviceId, last.name]),
      };
    },

    async *queryRange(request) {
      const selector = readSelector(request.selector);
      const range = readRange(request.from, request.to);
      const quantiles = readQuantiles(request.quantiles);
      const groupBy = readGroupBy(request.groupBy);
      const widthMs =
        request.tier === undefined ? autoTier(range, request.pointsMax, tiers) : readTier(request.tier, tiers);
      await checkDevicesKnown(reader, selector.deviceIds);
      // The marks of the sessions too: states rest on them.
      const revision = await barrier(selector, true);
      let first = true;
      const asked = { selector, widthMs, ...range, quantiles, groupBy, nowMs: clock.nowMs(), latenessMs };
      for await (const { series, windows, quantileValues } of reader.range(asked)) {
        // The first frame tells tier and revision even when there is nothing else to tell.
        if (first || windows.length > 0) {
          yield { frame: encodeFrame(widthMs, revision, series, windows, quantileValues) };
        }
        first = false;
      }
    },

    subscribe: (request, { signal }) => subscribe(request, AbortSignal.any([signal, options.ending]), options),
  };
}

async function checkDevicesKnown(reader: Reader, deviceIds: readonly string[] | undefined): Promise<void> {
  if (deviceIds === undefined) return;
  const unknown = await reader.call("unknownDevices", deviceIds);
  if (unknown.length === 0) return;
  const names = unknown.slice(0, 5).map((id) => JSON.stringify(id.slice(0, 100)));
  throw new TelemetryError(
    "NOT_FOUND",
    "DEVICE_NOT_FOUND",
    `selector.device_ids: no device ${names.join(", ")}${unknown.length > 5 ? ` and ${unknown.length - 5} more` : ""}; ` +
      "list the devices to see their ids",
    { field: "selector.device_ids" },
  );
}

type SubscribeResponse = MessageInitShape<typeof SubscribeResponseSchema>;

async function* subscribe(
  request: SubscribeRequest,
  signal: AbortSignal,
  { reader, feed, tiers, clock, latenessMs, barrier, subscriptions }: QueryOptions,
): AsyncGenerator<SubscribeResponse, void> {
  const selector = readSelector(request.selector);
  const widthMs = request.tier === undefined ? tiers[0].widthMs : readTier(request.tier, tiers);
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

function encodeDevice(row: DeviceRow): MessageInitShape<typeof DeviceSchema> {
  return {
    deviceId: row.deviceId,
    labels: { ...row.labels },
    createdAt: timestampFromMs(row.createdAtMs),
    ...(row.lastSeenAtMs !== undefined && { lastSeenAt: timestampFromMs(row.lastSeenAtMs) }),
    ackedSequence: BigInt(row.ackedSequence),
    samplesCounted: BigInt(row.samplesCounted),
    samplesRefused: BigInt(row.samplesRefused),
    samplesLost: BigInt(row.samplesLost),
    batchesLost: BigInt(row.batchesLost),
    spoolId: Buffer.from(row.spoolId, "hex"),
  };
}
