import type { Duration } from "@bufbuild/protobuf/wkt";

/** How far back it goes. */
export const statusHistoryMs = 300_000;

export interface StatusPoint {
  readonly timeMs: number;
  /** NaN in each of them: not known. */
  readonly samplesPerSecond: number;
  readonly ackP50Ms: number;
  readonly ackP99Ms: number;
}

/** What this tab has seen of the server's status, oldest first. */
export class StatusHistory {
  #points: StatusPoint[] = [];
  /** Grows with each change. */
  version = 0;

  get points(): readonly StatusPoint[] {
    return this.#points;
  }

  put(point: StatusPoint): void {
    // A clock that was set back: times in a chart only grow.
    this.#points = this.#points.filter(
      ({ timeMs }) => timeMs >= point.timeMs - statusHistoryMs && timeMs < point.timeMs,
    );
    this.#points.push(point);
    this.version += 1;
  }
}

/** With parts of a millisecond, which `durationMs` rounds away; NaN: there is none. */
export function latencyMs(latency: Duration | undefined): number {
  return latency === undefined ? Number.NaN : Number(latency.seconds) * 1e3 + latency.nanos / 1e6;
}
