import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DeviceState } from "../../ingest/device-states.ts";
import { Sessions } from "../../ingest/sessions.ts";
import { defaultTiers } from "../../lib/aggregate/tiers.ts";
import { idleSessionsMax, stepRowsMax } from "../../lib/base/limits.ts";
import { MemoryStore } from "../../lib/store/memory/memory-store.ts";
import { RegistrationSchema } from "../../proto/gen/telemetry/v1/batch_pb.js";
import { MetricKind } from "../../proto/gen/telemetry/v1/metric_pb.js";
import { dayMs, registration, spool } from "../support/batches.ts";

const ids = ["press", "lathe"];

/** What a group can do to sessions. */
type Change =
  | { kind: "register"; device: number; spool: number; label: number; metrics: Metric[] }
  | { kind: "advance"; device: number; samples: number };
interface Metric {
  handle: number;
  name: string;
  counter: boolean;
  unit: string;
}

const device = fc.nat({ max: ids.length - 1 });
const metric: fc.Arbitrary<Metric> = fc.record({
  handle: fc.integer({ min: 1, max: 3 }),
  name: fc.constantFrom("a", "b", "c"),
  counter: fc.boolean(),
  unit: fc.constantFrom("", "m"),
});
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({
    kind: fc.constant("register" as const),
    device,
    spool: fc.integer({ min: 1, max: 4 }),
    label: fc.nat({ max: 1 }),
    metrics: fc.array(metric, { maxLength: 2 }),
  }),
  fc.record({ kind: fc.constant("advance" as const), device, samples: fc.nat({ max: 9 }) }),
);
const group = fc.array(change, { maxLength: 8 });

/** @returns what the sender would be told */
function apply(sessions: Sessions, change: Change): unknown {
  const deviceId = ids[change.device] ?? "";
  if (change.kind === "advance") {
    const session = sessions.find(deviceId)?.session;
    if (session === undefined) return "unknown";
    sessions.advance(session, {
      ackedSequence: session.ackedSequence + 1,
      samplesCounted: session.samplesCounted + change.samples,
      batchesLost: session.batchesLost + 1,
      lastSeenAtMs: dayMs + change.samples,
    });
    return session.ackedSequence;
  }
  const metrics = change.metrics.map(({ handle, name, counter, unit }) => ({
    handle,
    name,
    unit,
    kind: counter ? MetricKind.COUNTER : MetricKind.GAUGE,
  }));
  const labels: Record<string, string> = change.label === 0 ? {} : { hall: "1" };
  const message = create(RegistrationSchema, {
    deviceId,
    deviceHandle: 1,
    spoolId: spool(change.spool),
    labels,
    metrics,
  });
  try {
    return sessions.register(message, dayMs).session.ackedSequence;
  } catch (error) {
    return (error as Error).message;
  }
}

function commit(store: MemoryStore, sessions: Sessions, elapsedMs: number): void {
  sessions.commit(store.append(new Uint8Array(1), sessions.changes), elapsedMs);
}

/** All that sessions can be asked. */
function answers(sessions: Sessions): unknown {
  const states: (DeviceState | undefined)[] = ids.map((id) => sessions.find(id));
  const dirty = sessions.dirty(Number.POSITIVE_INFINITY, 100);
  return structuredClone({ states, dirty, since: sessions.dirtySince, changes: sessions.changes });
}

describe("sessions", () => {
  it("answer as before a group that could not be stored, and take it as if for the first time", () => {
    const property = fc.property(fc.array(group, { maxLength: 4 }), group, (before, failed) => {
      const store = new MemoryStore(defaultTiers);
      const sessions = new Sessions(store);
      for (const [i, changes] of before.entries()) {
        for (const each of changes) apply(sessions, each);
        commit(store, sessions, i);
        if (i % 2 === 1) flushAll(store, sessions);
      }
      const known = answers(sessions);
      const told = failed.map((each) => apply(sessions, each));
      sessions.rollback();
      expect(answers(sessions)).toEqual(known);
      expect(failed.map((each) => apply(sessions, each))).toEqual(told);
      // What the store is given fits what it has, so that a restart answers the same.
      commit(store, sessions, before.length);
      flushAll(store, sessions);
      const withoutMemory = ({ device, session, seriesByName }: DeviceState) => ({ device, session, seriesByName });
      const restarted = new Sessions(store);
      for (const id of ids) {
        const [now, then] = [sessions.find(id), restarted.find(id)];
        expect(then && withoutMemory(then)).toEqual(now && withoutMemory(now));
      }
    });
    fc.assert(property, { numRuns: 500 });
  });

  it("are dirty since the first group that their stored marks do not show, the longest first", () => {
    const store = new MemoryStore(defaultTiers);
    const sessions = new Sessions(store);
    expect(sessions.dirtySince).toBe(Number.POSITIVE_INFINITY);
    const [press, lathe] = ids.map((id) => sessions.register(registered(id), dayMs).session);
    if (press === undefined || lathe === undefined) throw new Error("both are registered");
    for (const [elapsedMs, session] of [press, lathe, press].entries()) {
      sessions.advance(session, { ackedSequence: elapsedMs + 1 });
      commit(store, sessions, elapsedMs);
    }
    expect(sessions.dirtySince).toBe(1);
    expect(sessions.dirty(0, stepRowsMax)).toEqual([press]);
    expect(sessions.dirty(2, stepRowsMax)).toEqual([press, lathe]);
    expect(sessions.dirty(2, 1)).toEqual([press]);
    sessions.clean([press]);
    expect(sessions.dirtySince).toBe(2);
    sessions.advance(press, { ackedSequence: 4 });
    commit(store, sessions, 3);
    expect(sessions.dirty(3, stepRowsMax)).toEqual([lathe, press]);
    sessions.clean([lathe]);
    expect(sessions.dirtySince).toBe(4);
  });

  it("stay in memory while their marks are in the journal only, however many are idle", () => {
    const store = new MemoryStore(defaultTiers);
    const sessions = new Sessions(store);
    const press = visit(sessions, "press");
    sessions.advance(press.session, { ackedSequence: 5 });
    commit(store, sessions, 0);
    for (let i = 0; i <= idleSessionsMax; i += 1) visit(sessions, `other-${i}`);
    expect(sessions.find("press")).toBe(press);
  });

  it("do not make a device twice when the group that makes it has more devices than stay in memory", () => {
    const store = new MemoryStore(defaultTiers);
    const sessions = new Sessions(store);
    visit(sessions, "press");
    for (let i = 0; i <= idleSessionsMax; i += 1) visit(sessions, `other-${i}`);
    visit(sessions, "press");
    expect([...sessions.changes.devices].filter(({ deviceId }) => deviceId === "press")).toHaveLength(1);
  });
});

function registered(deviceId: string) {
  return create(RegistrationSchema, registration(deviceId, { metrics: [] }));
}

/** A call that registers a device and ends. */
function visit(sessions: Sessions, deviceId: string): DeviceState {
  const state = sessions.register(registered(deviceId), dayMs);
  sessions.retain(state);
  sessions.release(state);
  return state;
}

function flushAll(store: MemoryStore, sessions: Sessions): void {
  const dirty = sessions.dirty(Number.POSITIVE_INFINITY, 1_000);
  store.commitSessions(dirty);
  sessions.clean(dirty);
}
