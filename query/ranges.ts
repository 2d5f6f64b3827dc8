import { encodeFrame } from "../lib/wire/window-frame.ts";
import { checkDevicesKnown } from "./known-devices.ts";
import { autoTier, readGroupBy, readQuantiles, readRange, readSelector, readTier } from "./request.ts";
import type { QueryHandlers, QueryOptions } from "./service.ts";

/** Windows of a time range. */
export function rangeHandlers({
  reader,
  barrier,
  tiers,
  clock,
  latenessMs,
}: QueryOptions): Pick<QueryHandlers, "queryRange"> {
  return {
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
  };
}
