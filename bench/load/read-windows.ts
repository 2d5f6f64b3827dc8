import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { timeMsMax, timeMsMin } from "../../lib/base/limits.ts";
import { FrameReader, type Window } from "../../lib/wire/window-frame.ts";
import { type Aggregate, QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import type { GeneratorPlan } from "./messages.ts";
import { channelTo } from "./transport/channels.ts";

export interface WindowsQuery {
  /** Of device ids. */
  readonly prefix: string;
  readonly tierMs: number;
  /** Columns to read; others are undefined in the windows. Empty: all. */
  readonly aggregates: readonly Aggregate[];
  readonly quantiles: readonly number[];
}

/** Windows of all time. @throws TelemetryError */
export async function* readWindows(
  { addresses }: Pick<GeneratorPlan, "addresses">,
  { prefix, tierMs, aggregates, quantiles }: WindowsQuery,
): AsyncGenerator<Window> {
  const channel = channelTo(addresses);
  try {
    const frames = new FrameReader();
    const responses = channel.client(QueryService, "messages").queryRange({
      selector: { deviceIdPrefixes: [prefix] },
      from: timestampFromMs(timeMsMin),
      to: timestampFromMs(timeMsMax),
      tier: durationFromMs(tierMs),
      aggregates: [...aggregates],
      quantiles: [...quantiles],
    });
    for await (const { frame } of responses) if (frame !== undefined) yield* frames.read(frame);
  } finally {
    channel.close();
  }
}
