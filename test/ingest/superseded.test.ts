import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { Sessions } from "../../ingest/sessions.ts";
import { defaultTiers } from "../../lib/aggregate/tiers.ts";
import { idleSessionsMax } from "../../lib/base/limits.ts";
import { MemoryStore } from "../../lib/store/memory/memory-store.ts";
import type { StoredDevice } from "../../lib/store/store.ts";
import { RegistrationSchema } from "../../proto/gen/telemetry/v1/batch_pb.js";
import { RejectReason } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { batch, dayMs, registration } from "../support/batches.ts";
import type { HarnessCall } from "../support/harness-call.ts";
import { IngestHarness } from "../support/ingest.ts";

const superseded = { deviceHandle: 1, reason: RejectReason.SUPERSEDED };

/** A device that has sent two batches from its first spool and one from its second. */
function afterNewSpool() {
  const ingest = new IngestHarness();
  const old = ingest.connect("press", { spool: 1 });
  old.batches(batch(1, [1]), batch(2, [2]));
  ingest.flush();
  const newest = ingest.connect("press", { spool: 2 });
  newest.batches(batch(1, [10]));
  ingest.flush();
  old.take();
  return { ingest, old, newest };
}

function expectRefused(ingest: IngestHarness, call: HarnessCall) {
  ingest.flush();
  expect(call.take()).toMatchObject({ registered: [], acks: [], rejects: [superseded] });
  expect(ingest.total("press")).toEqual({ count: 3, sum: 13 });
}

describe("a spool that comes back after a reset", () => {
  it("keeps its handles: one that stands for another metric is refused, and nothing else happens", () => {
    const ingest = new IngestHarness();
    ingest.connect("press", { spool: 1, metrics: ["temperature", "pressure"] });
    ingest.connect("press", { spool: 2, metrics: ["pressure", "temperature"] });
    ingest.sessions.reset("press");
    ingest.sessions.commit(ingest.store.append(undefined, ingest.sessions.changes), 0);
    const swapped = ingest.open();
    swapped.register("press", { spool: 1, metrics: ["pressure", "temperature"] });
    ingest.flush();
    const [reject] = swapped.take().rejects;
    expect(reject).toMatchObject({ reason: RejectReason.INVALID_REGISTRATION });
    expect(reject?.detail).toContain("stands for another metric in this session");
    expect(ingest.failures).toEqual([]);
    const same = ingest.open();
    same.register("press", { spool: 1, metrics: ["temperature", "pressure"] });
    ingest.flush();
    expect(same.take().rejects).toEqual([]);
  });
});

describe("a device that an operator has reset", () => {
  function afterReset() {
    const { ingest, newest } = afterNewSpool();
    newest.take();
    expect(ingest.sessions.reset("press")).toBe(true);
    ingest.sessions.commit(ingest.store.append(undefined, ingest.sessions.changes), 0);
    return { ingest, newest };
  }

  function connectOld(ingest: IngestHarness): HarnessCall {
    const old = ingest.open();
    old.register("press", { spool: 1 });
    old.batches(batch(2, [2]), batch(3, [100]));
    ingest.flush();
    return old;
  }

  it("takes the spool that was superseded, which goes on where its session was", () => {
    const { ingest } = afterReset();
    expect(connectOld(ingest).take()).toMatchObject({
      registered: [{ ackedSequence: 3n }],
      acks: [{ ackedSequence: 3n }],
      rejects: [],
    });
    expect(ingest.total("press")).toEqual({ count: 4, sum: 113 });
  });

  it("refuses the other spool from then on", () => {
    const { ingest, newest } = afterReset();
    connectOld(ingest);
    newest.batches(batch(2, [7]));
    ingest.flush();
    expect(newest.take()).toMatchObject({ acks: [], rejects: [superseded] });
  });

  it("is reset once: the next new spool supersedes for ever again", () => {
    const { ingest } = afterReset();
    connectOld(ingest);
    ingest.connect("press", { spool: 3 });
    ingest.flush();
    const back = ingest.open();
    back.register("press", { spool: 1 });
    ingest.flush();
    expect(back.take()).toMatchObject({ registered: [], rejects: [superseded] });
  });

  it("is still reset after a restart", () => {
    const { ingest } = afterReset();
    ingest.flusher.finish();
    const restarted = new IngestHarness(ingest.store);
    expect(connectOld(restarted).take()).toMatchObject({ registered: [{ ackedSequence: 3n }], rejects: [] });
  });
});

describe("a new spool", () => {
  it("starts at sequence 1 again, and what the old one sent stays", () => {
    const { ingest, newest } = afterNewSpool();
    expect(newest.take()).toMatchObject({
      registered: [{ ackedSequence: 0n, samplesCounted: 0n }],
      acks: [{ ackedSequence: 1n }],
    });
    expect(ingest.total("press")).toEqual({ count: 3, sum: 13 });
    expect(ingest.device("press")).toMatchObject({ ackedSequence: 1, samplesCounted: 3 });
  });

  it("refuses the batches of the old spool on a call that is still open", () => {
    const { ingest, old } = afterNewSpool();
    old.batches(batch(3, [100]));
    expectRefused(ingest, old);
    old.batches(batch(2, [100]));
    expectRefused(ingest, old);
  });

  it("refuses a registration of the old spool", () => {
    const { ingest, old } = afterNewSpool();
    old.register("press", { spool: 1 });
    expectRefused(ingest, old);
    const back = ingest.open();
    back.register("press", { spool: 1 });
    expectRefused(ingest, back);
  });

  it("refuses a push of the old spool", () => {
    const { ingest } = afterNewSpool();
    const push = ingest.open("push");
    push.push("press", { batch: batch(3, [100]) }, { spool: 1 });
    ingest.flush();
    expect(push.take()).toMatchObject({ pushed: [], end: { status: "FAILED_PRECONDITION", reason: "SUPERSEDED" } });
    expect(ingest.total("press").count).toBe(3);
  });

  it("goes on undisturbed when the old spool tries", () => {
    const { ingest, old, newest } = afterNewSpool();
    old.register("press", { spool: 1 });
    old.batches(batch(3, [100]));
    newest.take();
    newest.batches(batch(2, [20]));
    ingest.flush();
    expect(newest.take()).toMatchObject({ rejects: [], acks: [{ ackedSequence: 2n }] });
    expect(ingest.total("press")).toEqual({ count: 4, sum: 33 });
  });

  it("keeps the old one out for ever, through further spools and a restart of the writer", () => {
    const { ingest } = afterNewSpool();
    ingest.connect("press", { spool: 3 });
    const restarted = new IngestHarness(ingest.store);
    for (const spool of [1, 2]) {
      const call = restarted.open();
      call.register("press", { spool });
      expectRefused(restarted, call);
    }
    expect(restarted.connect("press", { spool: 3 }).take().registered).toHaveLength(1);
  });

  it("keeps the old one out when both come in one group, of one slab or two", () => {
    for (const cut of [true, false]) {
      const ingest = new IngestHarness();
      const [first, second, third] = [ingest.open(), ingest.open(), ingest.open()];
      first.register("press", { spool: 1 });
      first.batches(batch(1, [1]));
      if (cut) ingest.cut();
      second.register("press", { spool: 2 });
      first.batches(batch(2, [100]));
      if (cut) ingest.cut();
      third.register("press", { spool: 1 });
      second.batches(batch(1, [10]));
      ingest.flush();
      expect(first.take()).toMatchObject({ rejects: [superseded], acks: [{ ackedSequence: 1n }] });
      expect(second.take()).toMatchObject({ rejects: [], acks: [{ ackedSequence: 1n }] });
      expect(third.take()).toMatchObject({ registered: [], rejects: [superseded] });
      expect(ingest.total("press")).toEqual({ count: 2, sum: 11 });
    }
  });

  it("on the same call is not taken to have sent what the old one has", () => {
    const ingest = new IngestHarness();
    const call = ingest.connect("press", { spool: 1 });
    call.take();
    call.batches(batch(1, [1]), batch(2, [2]));
    call.register("press", { spool: 2 });
    ingest.flush();
    // As a client reads it: the last that it was told is what need not be sent again.
    let mark = -1n;
    for (const message of call.take().messages) {
      if (message.case === "registered") mark = message.value.ackedSequence;
      else if (message.case === "ack") mark = message.value.devices.at(-1)?.ackedSequence ?? mark;
    }
    expect(mark).toBe(0n);
  });
});

/** Counts how often a device is read. */
class CountingStore extends MemoryStore {
  readonly reads = new Map<string, number>();

  override findDevice(deviceId: string): StoredDevice | undefined {
    this.reads.set(deviceId, (this.reads.get(deviceId) ?? 0) + 1);
    return super.findDevice(deviceId);
  }
}

describe("a session that has left the writer's memory", () => {
  const register = (sessions: Sessions, deviceId: string, spool: number) =>
    sessions.register(create(RegistrationSchema, registration(deviceId, { spool, metrics: [] })), dayMs);

  it("is read again from the store, which refuses the old spool", () => {
    const store = new CountingStore(defaultTiers);
    const sessions = new Sessions(store);
    register(sessions, "press", 1);
    const press = register(sessions, "press", 2);
    sessions.advance(press.session, { ackedSequence: 5 });
    sessions.commit(store.append(new Uint8Array(1), sessions.changes), 0);
    store.commitSessions(sessions.dirty(0, 1));
    sessions.clean([press.session]);
    expect(store.reads.get("press")).toBe(1);
    sessions.retain(press);
    sessions.release(press);
    // Each leaves an idle session behind; the longest idle is dropped.
    for (let i = 0; i < idleSessionsMax; i += 1) {
      const other = register(sessions, `other-${i}`, 1);
      sessions.retain(other);
      sessions.release(other);
    }
    sessions.commit(store.append(undefined, sessions.changes), 0);
    expect(() => register(sessions, "press", 1)).toThrow("was superseded by a newer spool");
    expect(store.reads.get("press")).toBe(2);
    expect(register(sessions, "press", 2).session.ackedSequence).toBe(5);
  });

  it("stays in memory as long as a call uses it", () => {
    const store = new CountingStore(defaultTiers);
    const sessions = new Sessions(store);
    const press = register(sessions, "press", 1);
    sessions.retain(press);
    for (let i = 0; i <= idleSessionsMax; i += 1) {
      const other = register(sessions, `other-${i}`, 1);
      sessions.retain(other);
      sessions.release(other);
    }
    expect(register(sessions, "press", 1)).toBe(press);
    expect(store.reads.get("press")).toBe(1);
  });
});
