import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { recallFleet, rememberFleet } from "../../device-sim/fleet-memory.ts";
import { DiskSpools } from "../../device-sim/uplink/disk-spools.ts";
import { MemorySpools } from "../../device-sim/uplink/memory-spool.ts";
import type { Spool, SpoolBounds, SpooledBatch, SpooledGap } from "../../device-sim/uplink/spool.ts";
import { Prng } from "../../lib/base/prng.ts";
import { GapReason } from "../../proto/gen/telemetry/v1/batch_pb.js";

const prng = new Prng(1, "spool ids");
const randomBytes = (length: number) => prng.bytes(length);
const roomy: SpoolBounds = { bytesMax: 1_000, whenFull: "block" };
const overwriting: SpoolBounds = { bytesMax: 50, whenFull: "overwrite" };
const store = Uint8Array.of(1);
const restored = Uint8Array.of(2);

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), "tidemark-spool-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Spools that are closed when the test ends, if it has not done so. */
function onDisk(path: string, bounds: SpoolBounds): DiskSpools {
  const spools = new DiskSpools(path, bounds, randomBytes);
  let open = true;
  const close = spools.close.bind(spools);
  spools.close = () => {
    if (open) close();
    open = false;
  };
  onTestFinished(() => spools.close());
  return spools;
}

const implementations = {
  memory: (bounds: SpoolBounds) => new MemorySpools(bounds, randomBytes).open().spool,
  disk: (bounds: SpoolBounds) => onDisk(directory(), bounds).open("pump").spool,
};

/** Seals batches of ten bytes and two samples, which may be sent. */
function seal(spool: Spool, batches: number): { rooms: Promise<void>[] } {
  const rooms = Array.from({ length: batches }, () => spool.append(new Uint8Array(10).fill(spool.nextSequence), 2));
  spool.release(spool.nextSequence - 1);
  return { rooms };
}

function take(spool: Spool): (SpooledBatch | SpooledGap)[] {
  const taken: (SpooledBatch | SpooledGap)[] = [];
  for (let entry = spool.takeUnsent(1); entry !== undefined; entry = spool.takeUnsent(1)) taken.push(entry);
  return taken;
}

/** `3`, or `gap 1-2`. */
function names(entries: readonly (SpooledBatch | SpooledGap)[]): string[] {
  return entries.map((entry) =>
    entry.kind === "gap" ? `gap ${entry.firstSequence}-${entry.lastSequence}` : String(entry.sequence),
  );
}

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  void promise.then(() => {
    settled = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

describe.each(Object.entries(implementations))("a spool in %s", (_, open) => {
  it("numbers batches from 1 and hands them out once, in order", () => {
    const spool = open(roomy);
    seal(spool, 3);
    expect(names(take(spool))).toEqual(["1", "2", "3"]);
    expect({ unsent: spool.hasUnsent, next: spool.nextSequence, unacked: spool.unackedBatches }).toEqual({
      unsent: false,
      next: 4,
      unacked: 3,
    });
  });

  it("hands out nothing that is not released: it may not be kept yet", () => {
    const spool = open(roomy);
    void spool.append(new Uint8Array(10), 1);
    expect({ unsent: spool.hasUnsent, taken: take(spool) }).toEqual({ unsent: false, taken: [] });
    spool.release(1);
    expect(names(take(spool))).toEqual(["1"]);
  });

  it("makes the source wait when it is full, until an ack gives room", async () => {
    const spool = open({ bytesMax: 30, whenFull: "block" });
    const { rooms } = seal(spool, 3);
    expect(await isSettled(rooms[1])).toBe(true);
    expect(await isSettled(rooms[2])).toBe(false);
    spool.ack(1);
    expect(await isSettled(rooms[2])).toBe(true);
    expect(spool.bytes).toBe(20);
  });

  it("makes nobody wait any more when the source is about to end", async () => {
    const spool = open({ bytesMax: 30, whenFull: "block" });
    const { rooms } = seal(spool, 4);
    spool.stopWaiting();
    expect(await isSettled(Promise.all([...rooms, ...seal(spool, 2).rooms]))).toBe(true);
    expect(names(take(spool)).at(-1)).toBe("3");
  });

  it("gives the same bytes again after a rewind, and drops what is acked", () => {
    const spool = open(roomy);
    seal(spool, 3);
    take(spool);
    expect(spool.ack(1).batches.map(({ sequence }) => sequence)).toEqual([1]);
    expect(spool.ack(1).batches).toEqual([]);
    spool.rewind();
    expect(spool.nextWasSent).toBe(true);
    const again = take(spool) as SpooledBatch[];
    expect(again.map(({ bytes }) => bytes[0])).toEqual([2, 3]);
  });

  it("overwrites the oldest batches when it is full, and tells their gap in their place", () => {
    const spool = open(overwriting);
    seal(spool, 7);
    const taken = take(spool);
    expect(names(taken)).toEqual(["gap 1-3", "4", "5", "6", "7"]);
    expect(taken[0]).toMatchObject({ samples: 6, reason: GapReason.SPOOL_FULL });
    expect(spool.bytes).toBeLessThan(50);
    expect(spool.ack(7)).toMatchObject({ lost: { batches: 3, samples: 6 }, kept: { batches: 0 } });
    expect(spool.unackedBatches).toBe(0);
  });

  it("does not overwrite what is under way", () => {
    const spool = open(overwriting);
    seal(spool, 2);
    expect(names(take(spool))).toEqual(["1", "2"]);
    seal(spool, 4);
    expect(names(take(spool))).toEqual(["gap 3-4", "5", "6"]);
    spool.rewind();
    expect(names(take(spool))).toEqual(["1", "2", "gap 3-4", "5", "6"]);
  });

  it("has no more under way than it may hold, so that the rest can be overwritten", () => {
    const spool = open(overwriting);
    for (let i = 0; i < 20; i += 1) {
      seal(spool, 1);
      take(spool);
    }
    expect(spool.bytes).toBeLessThan(70);
  });

  it("shortens a gap to what is missing when the server has more", () => {
    const spool = open(overwriting);
    seal(spool, 4);
    take(spool);
    spool.rewind();
    seal(spool, 5);
    // 1 to 3 had been sent, and 2 of them had arrived.
    expect(spool.startsWithGap).toBe(true);
    expect(spool.ack(2)).toMatchObject({ kept: { batches: 2, samples: 4 }, lost: { batches: 0 } });
    const [gap] = take(spool);
    expect(gap).toMatchObject({ firstSequence: 3, lastSequence: 5, samples: 6 });
    expect(spool.ack(5)).toMatchObject({ lost: { batches: 3, samples: 6 } });
  });

  it("takes a gap as lost that was settled before it grew", () => {
    const spool = open(overwriting);
    seal(spool, 6);
    expect(names(take(spool))[0]).toBe("gap 1-2");
    spool.rewind();
    seal(spool, 2);
    expect(spool.ack(2)).toMatchObject({ lost: { batches: 2, samples: 4 } });
    expect(names(take(spool))[0]).toBe("gap 3-4");
  });

  it("tells a gap first when the server has been set back, and goes on behind it", () => {
    const spool = open(roomy);
    seal(spool, 6);
    spool.meet(store);
    take(spool);
    spool.ack(5);
    spool.restore(2, restored);
    expect(names(take(spool)).at(-1)).toBe("6");
    expect({ acked: spool.ackedSequence, next: spool.nextSequence }).toEqual({ acked: 2, next: 7 });
    expect([...spool.incarnation]).toEqual([2]);
  });

  it("lets the source go on when it is abandoned, with nothing left", async () => {
    const spool = open({ bytesMax: 20, whenFull: "block" });
    const { rooms } = seal(spool, 4);
    spool.abandon();
    await Promise.all(rooms);
    expect({ bytes: spool.bytes, unacked: spool.unackedBatches }).toEqual({ bytes: 0, unacked: 0 });
  });
});

describe("a spool in memory", () => {
  it("has nothing left of what was acked when the server is set back", () => {
    const spool = implementations.memory(roomy);
    seal(spool, 6);
    take(spool);
    spool.ack(5);
    spool.restore(2, restored);
    const [gap] = take(spool);
    expect(gap).toMatchObject({ firstSequence: 3, lastSequence: 5, reason: GapReason.STORE_RESTORED });
  });
});

describe("a spool on disk", () => {
  it("comes back with its id, its handle, its sequence and what was not acked", () => {
    const path = directory();
    const before = onDisk(path, roomy);
    before.open("fan");
    const first = before.open("pump");
    seal(first.spool, 5);
    first.spool.meet(store);
    before.commit();
    take(first.spool);
    first.spool.ack(2);
    before.close();

    const second = onDisk(path, roomy).open("pump");
    expect(second.deviceHandle).toBe(first.deviceHandle);
    expect([...second.spool.id]).toEqual([...first.spool.id]);
    expect({ next: second.spool.nextSequence, acked: second.spool.ackedSequence }).toEqual({ next: 6, acked: 2 });
    expect([...second.spool.incarnation]).toEqual([1]);
    expect(take(second.spool).map((entry) => entry.kind === "batch" && entry.bytes[0])).toEqual([3, 4, 5]);
  });

  it("comes back with its gaps", () => {
    const path = directory();
    const before = onDisk(path, overwriting);
    const { spool } = before.open("pump");
    seal(spool, 3);
    take(spool);
    spool.rewind();
    seal(spool, 6);
    before.close();

    const again = onDisk(path, overwriting).open("pump").spool;
    expect(names(take(again))).toEqual(["gap 1-5", "6", "7", "8", "9"]);
    expect(again.ack(9)).toMatchObject({ lost: { batches: 5, samples: 10 } });
  });

  it("sends again what it has not deleted yet when the server is set back", () => {
    const spool = implementations.disk(roomy);
    seal(spool, 6);
    const path = directory();
    const spools = onDisk(path, roomy);
    const kept = spools.open("pump").spool;
    seal(kept, 6);
    spools.commit();
    take(kept);
    kept.ack(5);
    kept.restore(2, restored);
    expect(names(take(kept))).toEqual(["3", "4", "5", "6"]);
    kept.ack(6);
    spools.close();
    expect(onDisk(path, roomy).open("pump").spool).toMatchObject({ ackedSequence: 6, nextSequence: 7 });
  });

  it("tells a gap for what it has deleted when the server is set back", () => {
    const path = directory();
    const before = onDisk(path, roomy);
    const first = before.open("pump").spool;
    seal(first, 4);
    before.commit();
    take(first);
    first.ack(3);
    before.close();

    const spools = onDisk(path, roomy);
    const second = spools.open("pump").spool;
    second.restore(1, restored);
    expect(names(take(second))).toEqual(["gap 2-3", "4"]);
    spools.close();
    const third = onDisk(path, roomy).open("pump").spool;
    expect(names(take(third))).toEqual(["gap 2-3", "4"]);
  });

  it("refuses a second process, and names the directory", () => {
    const path = directory();
    onDisk(path, roomy);
    expect(() => new DiskSpools(path, roomy, randomBytes)).toThrow(
      expect.objectContaining({ reason: "DATA_DIRECTORY_IN_USE", message: expect.stringContaining(path) }),
    );
  });

  it("goes on with the start of its fleet, and refuses another fleet", () => {
    const spools = onDisk(directory(), roomy);
    const choice = {
      devices: 2,
      metrics: 3,
      intervalMs: 1_000,
      batchSamples: 3,
      seed: 1,
      integers: true,
      idPrefix: "",
    };
    const now = { ...choice, startMs: undefined };
    expect(recallFleet(spools, now)).toBeUndefined();
    const start = { startMs: 5_000, startedAtMs: 7_000 };
    rememberFleet(spools, now, start);
    expect(recallFleet(spools, now)).toEqual(start);
    expect(recallFleet(spools, { ...now, startMs: 5_000 })).toEqual(start);
    const other = (change: object) => () => recallFleet(spools, { ...now, ...change });
    expect(other({ seed: 2 })).toThrow(/--seed is 2, .* started with 1; go on with 1/);
    expect(other({ missingRate: 0.1 })).toThrow(/--missing is 0.1, .* started without it; go on without it, or/);
    expect(other({ startMs: 6_000 })).toThrow(/--start is 1970-01-01T00:00:06Z, .* started with 1970-01-01T00:00:05Z/);
  });

  it("refuses other disorder, and another end of it: what is sealed would change", () => {
    const spools = onDisk(directory(), roomy);
    const fleet = { devices: 2, metrics: 3, intervalMs: 1_000, batchSamples: 3, seed: 1, integers: true, idPrefix: "" };
    const choice = { ...fleet, outOfOrderRate: 0.3, lateMsMax: 60_000, batches: 100, startMs: undefined };
    const start = { startMs: 5_000, startedAtMs: 7_000 };
    rememberFleet(spools, choice, start);
    expect(recallFleet(spools, choice)).toEqual(start);
    const other = (change: object) => () => recallFleet(spools, { ...choice, ...change });
    expect(other({ batches: 200 })).toThrow(/--batches is 200, .* started with 100/);
    expect(other({ lateMsMax: 1 })).toThrow(/--late-by is 1, .* started with 60000/);
    expect(() => recallFleet(spools, { ...fleet, startMs: undefined })).toThrow(
      /--out-of-order is not given, .* with 0.3/,
    );
  });
});
