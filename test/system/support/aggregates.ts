import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { defaultTiers, tierName } from "../../../lib/aggregate/tiers.ts";
import { timeMsMax, timeMsMin } from "../../../lib/base/limits.ts";
import { Channel } from "../../../lib/rpc/client.ts";
import { FrameReader } from "../../../lib/wire/window-frame.ts";
import { QueryService, type WindowFrame } from "../../../proto/gen/telemetry/v1/query_service_pb.js";

/**
 * What a server tells of a window, but for its state, which depends on when it is asked, and its deviation, whose last
 * digits depend on how its samples were grouped (`disorder-values.test.ts` holds it against the oracle).
 */
export interface Aggregate {
  readonly count: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
  readonly first: number;
  readonly firstOffsetMs: number;
  readonly last: number;
  readonly lastOffsetMs: number;
  readonly quantiles: readonly number[];
}

/** All windows of all tiers of a server, by `tier device metric start`, in the order of these names. */
export async function aggregatesOf(address: string): Promise<Record<string, Aggregate>> {
  const channel = new Channel(address);
  const query = channel.client(QueryService, "messages");
  const range = { from: timestampFromMs(timeMsMin), to: timestampFromMs(timeMsMax) };
  const windows: [string, Aggregate][] = [];
  for (const { widthMs } of defaultTiers) {
    const frames = new FrameReader();
    for await (const { frame } of query.queryRange({
      ...range,
      tier: durationFromMs(widthMs),
      quantiles: [0.1, 0.5, 0.99],
    })) {
      if (frame !== undefined) windows.push(...aggregatesIn(frame, frames));
    }
  }
  channel.close();
  return Object.fromEntries(windows.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function aggregatesIn(frame: WindowFrame, frames: FrameReader): [string, Aggregate][] {
  return [...frames.read(frame)].map(({ deviceId, metric, tierMs, startMs, ...window }, i) => {
    const { count, sum, min, max, first, last, quantiles } = window;
    const offsets = { firstOffsetMs: frame.firstOffsetsMs[i], lastOffsetMs: frame.lastOffsetsMs[i] };
    return [
      `${tierName({ widthMs: tierMs })} ${deviceId} ${metric} ${startMs}`,
      { count, sum, min, max, first, last, ...offsets, quantiles },
    ];
  });
}
