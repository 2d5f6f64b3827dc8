import { describe, expect, it } from "vitest";
import { FlushHold } from "../../ingest/flush-hold.ts";
import { flushFreeMs, flushHeldMsMax } from "../../lib/base/limits.ts";

describe("a hold on storing", () => {
  it("lasts until it is released, or for a moment", () => {
    const hold = new FlushHold();
    expect(hold.isHeld(0)).toBe(false);
    const [a, b] = [hold.take(0), hold.take(0)];
    hold.release(a);
    expect(hold.isHeld(1)).toBe(true);
    hold.release(b);
    expect(hold.isHeld(2)).toBe(false);
    hold.take(10);
    expect(hold.isHeld(10 + flushHeldMsMax - 1)).toBe(true);
    expect(hold.isHeld(10 + flushHeldMsMax)).toBe(false);
  });

  it("leaves half of the time, however many there are", () => {
    const hold = new FlushHold();
    let held = 0;
    let longest = 0;
    const lengthMs = 20 * (flushHeldMsMax + flushFreeMs);
    for (let nowMs = 0, since = 0; nowMs < lengthMs; nowMs += 1) {
      hold.take(nowMs);
      if (hold.isHeld(nowMs)) held += 1;
      else since = nowMs;
      longest = Math.max(longest, nowMs - since);
    }
    expect(held / lengthMs).toBeLessThan(0.52);
    expect(longest).toBeLessThanOrEqual(flushHeldMsMax);
  });
});
