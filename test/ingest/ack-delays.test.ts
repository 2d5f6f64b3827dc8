import { describe, expect, it } from "vitest";
import { AckDelays } from "../../ingest/ack-delays.ts";

const near = (value: number) => expect.toSatisfy((got: number) => Math.abs(got / value - 1) < 0.011);

describe("the delay of acks", () => {
  it("is from a slab's first message until all of its bytes are settled", () => {
    const delays = new AckDelays();
    delays.onSubmit(100, 1_000);
    delays.onSubmit(0, 1_001);
    delays.onSubmit(50, 1_002);
    delays.onSettled(100, 1_010);
    expect(delays.recent([0, 1], 1_010)).toEqual([near(10), near(10)]);
    delays.onSettled(50, 1_042);
    expect(delays.recent([0, 1], 1_042)).toEqual([near(10), near(40)]);
    expect(delays.read().sumSeconds).toBeCloseTo(0.05);
  });

  it("is of several slabs when they are settled together, and of none by a settlement of other things", () => {
    const delays = new AckDelays();
    delays.onSettled(0, 900);
    for (const sinceMs of [1_000, 1_100, 1_200]) delays.onSubmit(10, sinceMs);
    delays.onSettled(20, 1_300);
    expect(delays.recent([0, 1], 1_300)).toEqual([near(200), near(300)]);
    expect(delays.read().counts.reduce((sum, count) => sum + count, 0)).toBe(2);
  });

  it("is forgotten ten seconds later, and none is told where nothing was acked", () => {
    const delays = new AckDelays();
    expect(delays.recent([0.5], 5)).toEqual([Number.NaN]);
    delays.onSubmit(10, 1_000);
    delays.onSettled(10, 1_005);
    delays.onSubmit(10, 5_000);
    delays.onSettled(10, 5_020);
    expect(delays.recent([0, 1], 10_999)).toEqual([near(5), near(20)]);
    expect(delays.recent([0, 1], 11_000)).toEqual([near(20), near(20)]);
    expect(delays.recent([0.5], 500_000)).toEqual([Number.NaN]);
  });
});
