import { describe, expect, it } from "vitest";
import { standingOf } from "../../ingest/standing.ts";
import { defaultTiers } from "../../lib/aggregate/tiers.ts";
import { gapsPerDeviceMax } from "../../lib/base/limits.ts";
import { GapReason, RefusalReason } from "../../proto/gen/telemetry/v1/batch_pb.js";
import { batch, dayMs, gap } from "../support/batches.ts";
import { diskFull, FailingStore } from "../support/failing-store.ts";
import { IngestHarness } from "../support/ingest.ts";

/** What is told of a device: what is stored of it, with what the writer adds. */
function detailOf(ingest: IngestHarness, deviceId = "press") {
  const { marks } = standingOf(ingest.sessions, ingest.events, [deviceId]);
  return ingest.store.deviceDetail(deviceId, marks);
}

const infinite = [1, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

describe("the detail of a device", () => {
  it("shows how far it has come as soon as that is acked, of all its sessions", () => {
    const ingest = new IngestHarness();
    const call = ingest.connect("press", { spool: 1 });
    call.batches(batch(1, [1, 2], { timeMs: dayMs }));
    ingest.flush();
    ingest.nowMs += 1_000;
    ingest.connect("press", { spool: 2 }).batches(batch(1, [1], { timeMs: dayMs - 5 }));
    ingest.flush();
    const { device, sessions } = detailOf(ingest) ?? {};
    expect(device).toMatchObject({
      ackedSequence: 1,
      samplesCounted: 3,
      lastSeenAtMs: ingest.nowMs,
      latestSampleMs: dayMs + 1,
    });
    expect(sessions).toBe(2);
    ingest.settle();
    expect(standingOf(ingest.sessions, ingest.events, ["press"]).marks).toEqual([]);
    expect(detailOf(ingest)?.device).toEqual(device);
  });

  it("counts what was refused by reason, once, through duplicates, restarts and a full disk", () => {
    const store = new FailingStore(defaultTiers);
    const ingest = new IngestHarness(store);
    const call = ingest.connect("press");
    call.batches(batch(1, infinite), batch(2, infinite), batch(3, [1], { metric: 9 }));
    ingest.flush();
    call.batches(batch(2, infinite));
    ingest.flush();
    const want = [
      { device: 1, reason: RefusalReason.INFINITE_VALUE, samples: 4, batches: 2 },
      { device: 1, reason: RefusalReason.UNKNOWN_METRIC, samples: 0, batches: 1 },
    ].sort((a, b) => a.reason - b.reason);
    expect(detailOf(ingest)?.refusals).toEqual(want);
    store.failure = diskFull();
    call.batches(batch(4, infinite));
    ingest.flush();
    store.failure = undefined;
    expect(detailOf(ingest)?.refusals).toEqual(want);
    expect(detailOf(new IngestHarness(store))?.refusals).toEqual(want);
  });

  it("has the latest gaps with their reason and when they were told, and none twice", () => {
    const ingest = new IngestHarness();
    const call = ingest.connect("press");
    for (let i = 0; i < gapsPerDeviceMax + 5; i += 1) {
      call.gap({ ...gap(1 + 2 * i, 2 + 2 * i, 7), reason: GapReason.SPOOL_FULL });
    }
    call.gap(gap(1, 2, 7));
    ingest.flush();
    const gaps = detailOf(ingest)?.gaps ?? [];
    expect(gaps).toHaveLength(gapsPerDeviceMax);
    const latest = 2 * gapsPerDeviceMax + 9;
    expect(gaps[0]).toMatchObject({
      firstSequence: latest,
      lastSequence: latest + 1,
      samples: 7,
      reason: GapReason.SPOOL_FULL,
      recordedAtMs: ingest.nowMs,
    });
    expect(detailOf(ingest)?.device).toMatchObject({ batchesLost: 2 * (gapsPerDeviceMax + 5) });
  });

  it("has the time of the latest sample, not of its receipt, also when the device comes back after a silence", () => {
    const ingest = new IngestHarness();
    const call = ingest.connect("press");
    call.batches(batch(1, [1], { timeMs: dayMs }));
    ingest.flush();
    ingest.nowMs += 3_600_000;
    call.batches(batch(2, [1], { timeMs: dayMs + 10_000 }));
    ingest.flush();
    expect(detailOf(ingest)?.device.latestSampleMs).toBe(dayMs + 10_000);
    ingest.settle();
    expect(detailOf(ingest)?.device.latestSampleMs).toBe(dayMs + 10_000);
    call.batches(batch(3, [1], { timeMs: ingest.nowMs + 60_000 }));
    ingest.flush();
    expect(detailOf(new IngestHarness(ingest.store))?.device.latestSampleMs).toBe(ingest.nowMs);
  });
});
