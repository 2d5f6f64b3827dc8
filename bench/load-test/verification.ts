import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type QueryClient, readDevices } from "../../device-sim/verify/server-view.ts";
import { FrameReader } from "../../lib/wire/window-frame.ts";
import { Aggregate } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { LoadComparison, type SentLoad, type Verification } from "./load-comparison.ts";
import { SeriesTotals } from "./series-totals.ts";

/** The scan of a million series takes some seconds. */
const timeoutMs = 300_000;

/**
 * Holds what was sent against what a server has counted: count, sum, minimum and maximum per series. Where a device
 * was refused samples, or has not seen everything acked, nobody can tell which series they were of: its samples are
 * then held against its series together, and each of these must lie within what was sent.
 * @throws TelemetryError when the server cannot be asked
 */
export async function verifyLoad(query: QueryClient, sent: SentLoad): Promise<Verification> {
  const ids = new Map(sent.deviceIds.map((id, device) => [id, device]));
  const served = await readDevices(query, ids, [sent.idPrefix]);
  const found = await readTotals(query, sent, ids);
  const comparison = new LoadComparison(sent, found);
  for (const [id, device] of ids) comparison.compare(device, served.get(id));
  return comparison.verification;
}

/** One window per series where a tier is wide enough; where none is, those of the widest are put together. */
async function readTotals(
  query: QueryClient,
  { idPrefix, metrics, samples, fromMs, toMs }: SentLoad,
  devices: ReadonlyMap<string, number>,
): Promise<SeriesTotals> {
  const found = new SeriesTotals(samples.counts.length);
  const frames = new FrameReader();
  const metricAt = new Map(metrics.map((name, metric) => [name, metric]));
  const request = {
    selector: { deviceIdPrefixes: [idPrefix] },
    from: timestampFromMs(fromMs),
    to: timestampFromMs(toMs),
    pointsMax: 1,
    aggregates: [Aggregate.COUNT, Aggregate.SUM, Aggregate.MIN, Aggregate.MAX],
  };
  for await (const { frame } of query.queryRange(request, { timeoutMs })) {
    if (frame === undefined) continue;
    for (const { deviceId, metric: name, count, sum, min, max } of frames.read(frame)) {
      const device = devices.get(deviceId);
      const metric = metricAt.get(name);
      if (device === undefined || metric === undefined) continue;
      found.merge(device * metrics.length + metric, count, sum, min, max);
    }
  }
  return found;
}
