import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { flushIntervalMs, storeRetryMs } from "../../lib/base/limits.ts";
import { MemoryStore } from "../../lib/store/memory/memory-store.ts";
import { batch, dayMs } from "../support/batches.ts";
import { diskFull } from "../support/failing-store.ts";
import { IngestHarness } from "../support/ingest.ts";
import { deviceName, shardedIngest } from "../support/shards.ts";

/** A barrier, and where it has opened. */
interface Watched {
  position: number | undefined;
}

function watch(barrier: Promise<number>): Watched {
  const watched: Watched = { position: undefined };
  void barrier.then((position) => Object.assign(watched, { position }));
  return watched;
}

/** One step; whoever waited for it has been told. */
async function step(ingest: IngestHarness): Promise<boolean> {
  const more = ingest.flusher.step();
  await Promise.resolve();
  return more;
}

describe("a barrier", () => {
  it("opens though what it waited for was stored for want of memory, with later windows still waiting", async () => {
    const ingest = new IngestHarness(new MemoryStore([{ widthMs: 10_000 }]), { windowsMax: 600 });
    const call = ingest.connect("press");
    const many = { stepMs: 10_000, timeMs: dayMs - 100_000_000 };
    call.batches(batch(1, new Array<number>(400).fill(1), many));
    ingest.flush();
    const barrier = watch(ingest.flusher.barrier([0], false));
    call.batches(batch(2, new Array<number>(300).fill(1), { ...many, timeMs: many.timeMs + 10_000_000 }));
    ingest.flush();
    // 500 of the 700 are stored by now; those that are left came after the barrier.
    expect(ingest.storedWindows()).toHaveLength(500);
    await step(ingest);
    expect(barrier).toEqual({ position: 1 });
  });

  it("opens at once when the tables show everything", async () => {
    const { ingest, send } = shardedIngest(2);
    send(0);
    ingest.settle();
    const open = [watch(ingest.flusher.barrier("all", true)), watch(ingest.flusher.barrier([0, 1], true))];
    await Promise.resolve();
    expect(open).toEqual([{ position: 1 }, { position: 1 }]);
  });

  it("of a selection waits for its shards only, and has them stored first, before they are due", async () => {
    const { ingest, send } = shardedIngest(3);
    for (const device of [0, 1, 2]) send(device);
    const other = watch(ingest.flusher.barrier([7], false));
    const wanted = watch(ingest.flusher.barrier([2], false));
    await Promise.resolve();
    expect([other, wanted]).toEqual([{ position: 3 }, { position: undefined }]);
    expect(await step(ingest)).toBe(true);
    expect(wanted).toEqual({ position: 3 });
    expect(ingest.storedWindows().map(({ device }) => device)).toEqual(["device-2"]);
    expect(ingest.flusher.heldWindows).toBeGreaterThan(0);
  });

  it("of all waits for every shard", async () => {
    const { ingest, send } = shardedIngest(3);
    for (const device of [0, 1, 2]) send(device);
    const all = watch(ingest.flusher.barrier("all", false));
    for (const shown of [1, 2, 3]) {
      expect(all).toEqual({ position: undefined });
      await step(ingest);
      expect(ingest.storedWindows()).toHaveLength(shown);
    }
    expect(all).toEqual({ position: 3 });
  });

  it("of the sessions waits until the tables show how far they have come", async () => {
    const { ingest, send } = shardedIngest(2);
    for (const device of [0, 1, 1]) send(device);
    const marks = watch(ingest.flusher.barrier([], true));
    expect(ingest.storedDevice("device-1")).toMatchObject({ ackedSequence: 0, samplesCounted: 0 });
    await step(ingest);
    expect(marks).toEqual({ position: 3 });
    expect(ingest.storedDevice("device-1")).toMatchObject({ ackedSequence: 2, samplesCounted: 2 });
    expect(ingest.storedWindows()).toEqual([]);
  });

  it("of the sessions is not kept waiting by a device that goes on sending", async () => {
    const { ingest, send } = shardedIngest(2);
    for (const device of [0, 1]) send(device);
    const marks = watch(ingest.flusher.barrier([0], true));
    for (let i = 0; i < 2; i += 1) {
      send(0);
      await step(ingest);
      send(0);
    }
    expect(marks).toEqual({ position: 2 });
  });
});

describe("a barrier while the disk is full", () => {
  it("opens when the flush it waits for fails, and tells up to where the tables are: queries go on with that", async () => {
    const { ingest, store, send } = shardedIngest(2);
    send(0);
    const waiting = [watch(ingest.flusher.barrier("all", false)), watch(ingest.flusher.barrier([], true))];
    store.failure = diskFull();
    expect(await step(ingest)).toBe(false);
    expect(waiting).toEqual([{ position: 0 }, { position: 0 }]);
    expect(ingest.storedWindows()).toEqual([]);
  });

  it("opens when a group cannot be stored, and at once as long as that lasts", async () => {
    const { ingest, store, send } = shardedIngest(2);
    send(0);
    const waiting = watch(ingest.flusher.barrier("all", true));
    store.failure = diskFull();
    send(1);
    const later = watch(ingest.flusher.barrier("all", true));
    await Promise.resolve();
    expect([waiting, later]).toEqual([{ position: 0 }, { position: 0 }]);
  });

  it("waits again when there is space", async () => {
    const { ingest, store, send } = shardedIngest(2);
    send(0);
    store.failure = diskFull();
    send(1);
    store.failure = undefined;
    ingest.elapsedMs += storeRetryMs + flushIntervalMs;
    while (await step(ingest));
    send(0);
    const waiting = watch(ingest.flusher.barrier("all", false));
    await Promise.resolve();
    expect(waiting).toEqual({ position: undefined });
    await step(ingest);
    expect(waiting).toEqual({ position: 2 });
    expect(ingest.storedWindows()).toMatchObject([{ device: "device-0", count: 2 }]);
  });
});

const devices = 3;
type Action =
  | { kind: "send"; device: number }
  | { kind: "barrier"; shards: number[] | "all"; sessions: boolean }
  | { kind: "step" | "wait" | "fill" | "free" };

const device = fc.nat({ max: devices - 1 });
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("send" as const), device }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("barrier" as const),
      shards: fc.oneof(fc.uniqueArray(device), fc.constant("all" as const)),
      sessions: fc.boolean(),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("step" as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("wait" as const, "fill" as const, "free" as const) }) },
);

/** Runs the actions; each barrier is held against the tables at the moment in which it opens. */
async function run(actions: readonly Action[]): Promise<void> {
  const { ingest, store, send, acked } = shardedIngest(devices);
  const opened: Promise<void>[] = [];
  const ask = (shards: number[] | "all", sessions: boolean) => {
    const before = [...acked];
    const position = store.position;
    const shown = ingest.flusher.barrier(shards, sessions).then((at) => {
      if (at !== position) {
        // The disk is full: it opens all the same, and tells up to where the tables are.
        expect(ingest.flusher.problem).not.toBe("");
        expect(at).toBe(store.settled);
        return;
      }
      for (const device of shards === "all" ? acked.keys() : shards) {
        const [window] = ingest.storedWindows().filter((each) => each.device === deviceName(device));
        expect(window?.count ?? 0).toBeGreaterThanOrEqual(before[device] ?? 0);
      }
      if (!sessions) return;
      for (const [device, mark] of before.entries()) {
        expect(ingest.storedDevice(deviceName(device))?.ackedSequence).toBeGreaterThanOrEqual(mark);
      }
    });
    // What it finds is told at the end, when all are awaited.
    shown.catch(() => {});
    opened.push(shown);
  };
  for (const each of actions) {
    if (each.kind === "send") send(each.device);
    else if (each.kind === "barrier") ask(each.shards, each.sessions);
    else if (each.kind === "step") await step(ingest);
    else if (each.kind === "wait") ingest.elapsedMs += flushIntervalMs;
    else store.failure = each.kind === "fill" ? diskFull() : undefined;
    await Promise.resolve();
  }
  store.failure = undefined;
  ingest.elapsedMs += storeRetryMs;
  while (await step(ingest));
  // None is forgotten.
  await Promise.all(opened);
}

describe("whatever comes between", () => {
  it("a barrier opens when, and only when, the tables show what was acked before it", async () => {
    await fc.assert(fc.asyncProperty(fc.array(action, { maxLength: 40 }), run), { numRuns: 200 });
  });
});
