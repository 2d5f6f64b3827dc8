import { describe, expect, it } from "vitest";
import { StatusHistory, statusHistoryMs } from "../../../query/dashboard/src/state/status-history.ts";

const point = (timeMs: number) => ({ timeMs, samplesPerSecond: 1, ackP50Ms: 2, ackP99Ms: 3 });

describe("what a tab has seen of the status", () => {
  it("goes back so far, and no further", () => {
    const history = new StatusHistory();
    for (let timeMs = 0; timeMs <= statusHistoryMs + 2_000; timeMs += 1_000) history.put(point(timeMs));
    expect(history.points[0]?.timeMs).toBe(2_000);
    expect(history.points).toHaveLength(statusHistoryMs / 1_000 + 1);
    expect(history.version).toBe(statusHistoryMs / 1_000 + 3);
  });

  it("has times that only grow, also when the clock was set back", () => {
    const history = new StatusHistory();
    for (const timeMs of [1_000, 2_000, 3_000, 1_500]) history.put(point(timeMs));
    expect(history.points.map(({ timeMs }) => timeMs)).toEqual([1_000, 1_500]);
  });
});
