import { describe, expect, it } from "vitest";
import { FlushHold } from "../../ingest/flush-hold.ts";
import { defaultTiers } from "../../lib/aggregate/tiers.ts";
import { flushFreeMs, flushHeldMsMax } from "../../lib/base/limits.ts";
import { IngestHarness } from "../support/ingest.ts";
import { RecordingStore } from "../support/recording-store.ts";

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

describe("snapshots", () => {
  it("wait while others keep the log from being emptied, and go on when it is", async () => {
    const store = new RecordingStore(defaultTiers);
    const { flusher } = new IngestHarness(store);
    await flusher.snapshotAllowed();
    store.logHeld = true;
    flusher.step();
    let allowed = false;
    const waiting = flusher.snapshotAllowed().then(() => {
      allowed = true;
    });
    flusher.step();
    await Promise.resolve();
    expect(allowed).toBe(false);
    store.logHeld = false;
    flusher.step();
    await waiting;
    await flusher.snapshotAllowed();
  });
});
