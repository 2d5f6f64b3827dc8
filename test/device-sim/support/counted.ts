import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { defaultTiers } from "../../../lib/aggregate/tiers.ts";
import { timeMsMax, timeMsMin } from "../../../lib/base/limits.ts";
import { Channel } from "../../../lib/rpc/client.ts";
import { FrameReader } from "../../../lib/wire/window-frame.ts";
import { QueryService } from "../../../proto/gen/telemetry/v1/query_service_pb.js";

/** Samples of a device: as its session tells, and as its windows of each tier add up to. */
interface Counted {
  readonly session: number;
  readonly tiers: Record<number, number>;
}

/** What a server has counted of the devices whose ids begin with the prefix. */
export async function counted(address: string, idPrefix: string): Promise<Record<string, Counted>> {
  const channel = new Channel(address);
  const query = channel.client(QueryService, "messages");
  const { devices } = await query.listDevices({ pageSize: 1_000 });
  const found: Record<string, Counted> = {};
  for (const { deviceId, samplesCounted } of devices) {
    if (deviceId.startsWith(idPrefix)) found[deviceId] = { session: Number(samplesCounted), tiers: {} };
  }
  const range = { from: timestampFromMs(timeMsMin), to: timestampFromMs(timeMsMax) };
  for (const { widthMs } of defaultTiers) {
    const frames = new FrameReader();
    const selector = { deviceIds: Object.keys(found) };
    for await (const { frame } of query.queryRange({ selector, ...range, tier: durationFromMs(widthMs) })) {
      if (frame === undefined) continue;
      for (const { deviceId, count } of frames.read(frame)) {
        const { tiers } = found[deviceId];
        tiers[widthMs] = (tiers[widthMs] ?? 0) + count;
      }
    }
  }
  channel.close();
  return found;
}

/** What `counted` gives when each of the devices has so many samples, each counted once in every tier. */
export function countedOnce(deviceIds: readonly string[], samples: number): Record<string, Counted> {
  const tiers = Object.fromEntries(defaultTiers.map(({ widthMs }) => [widthMs, samples]));
  return Object.fromEntries(deviceIds.map((deviceId) => [deviceId, { session: samples, tiers }]));
}
