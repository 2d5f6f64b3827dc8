import { TelemetryError } from "../base/errors.ts";
import { openCallsRetryMs } from "../base/limits.ts";
import { Slots } from "../base/slots.ts";

/**
 * For calls that stay open and that anybody may make: so many at once, and nobody waits.
 * @param kind what they are, in the plural: `health watches`
 */
export function openCalls(kind: string, max: number): Slots {
  const tooMany = () =>
    new TelemetryError(
      "RESOURCE_EXHAUSTED",
      "TOO_MANY_OPEN_CALLS",
      `${max} ${kind} are open, the limit is ${max}; end those that nobody reads, or try again later`,
      { quota: `server:${kind}`, retryAfterMs: openCallsRetryMs },
    );
  return new Slots(max, 0, tooMany);
}
