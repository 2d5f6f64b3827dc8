import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { flushIntervalMs, storeRetryMs } from "../../lib/base/limits.ts";
import { diskFull } from "../support/failing-store.ts";
import { IngestHarness } from "../support/ingest.ts";
import { deviceName, type ShardedIngest, shardedIngest } from "../support/shards.ts";

const devices = 3;

/** A group that was acked: whose it was, and its sequence. */
interface Acked {
  readonly device: number;
  readonly sequence: number;
  readonly position: number;
}

type Action = { kind: "send"; device: number } | { kind: "step" | "wait" | "barrier" | "fill" | "free" };
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("send" as const), device: fc.nat({ max: devices - 1 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        "step" as const,
        "step" as const,
        "wait" as const,
        "barrier" as const,
        "fill" as const,
        "free" as const,
      ),
    }),
  },
);

function act(run: ShardedIngest, each: Action, groups: Acked[]): void {
  const { ingest, store, send, acked } = run;
  if (each.kind === "send") {
    const before = acked[each.device] ?? 0;
    send(each.device);
    const sequence = acked[each.device] ?? 0;
    if (sequence > before) groups.push({ device: each.device, sequence, position: store.position });
  } else if (each.kind === "step") ingest.flusher.step();
  else if (each.kind === "wait") ingest.elapsedMs += flushIntervalMs / 2;
  else if (each.kind === "barrier") void ingest.flusher.barrier([0], false);
  else store.failure = each.kind === "fill" ? diskFull() : undefined;
}

/** Each group that a table does not show yet is in the journal. */
function expectKept({ ingest, store }: ShardedIngest, groups: readonly Acked[]): void {
  const kept = new Set([...store.read()].map(({ position }) => position));
  for (const { device, sequence, position } of groups) {
    const shown = (store.positions().get(device) ?? 0) >= position;
    const marked = (ingest.storedDevice(deviceName(device))?.ackedSequence ?? 0) >= sequence;
    if (!shown || !marked) expect(kept).toContain(position);
  }
}

describe("the journal", () => {
  it("keeps what a shard or a session still needs, and is empty when none does", () => {
    const property = fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
      const run = shardedIngest(devices);
      const groups: Acked[] = [];
      for (const each of actions) {
        act(run, each, groups);
        expectKept(run, groups);
      }
      run.store.failure = undefined;
      run.ingest.elapsedMs += storeRetryMs + flushIntervalMs;
      while (run.ingest.flusher.step());
      expect([...run.store.read()]).toEqual([]);
      expect(run.ingest.flusher.journalGroups).toBe(0);
    });
    fc.assert(property, { numRuns: 200 });
  });

  it("brings everything back that was acked, wherever the writer was cut off", () => {
    const property = fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
      const run = shardedIngest(devices);
      for (const each of actions) act(run, each, []);
      run.store.failure = undefined;
      const restarted = new IngestHarness(run.store);
      const totals = run.acked.map((_, device) => restarted.total(deviceName(device)).count);
      expect(totals).toEqual(run.acked);
      const marks = run.acked.map((_, device) => restarted.device(deviceName(device))?.ackedSequence);
      expect(marks).toEqual(run.acked);
    });
    fc.assert(property, { numRuns: 100 });
  });

  it("is counted", () => {
    const { ingest, store, send } = shardedIngest(2);
    for (const device of [0, 1, 0]) send(device);
    expect(ingest.flusher.journalGroups).toBe(3);
    // A group that could not be stored is not in it.
    store.failure = diskFull();
    send(0);
    expect(ingest.flusher.journalGroups).toBe(3);
    store.failure = undefined;
    ingest.settle();
    expect(ingest.flusher.journalGroups).toBe(0);
  });
});
