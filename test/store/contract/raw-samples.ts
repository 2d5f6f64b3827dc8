import { describe, expect, it } from "vitest";
import type { CatalogStep, Journal, JournalPosition, JournalReader } from "../../../lib/store/store.ts";
import { device, nowMs, series, session, step, tiers } from "../steps.ts";
import type { Open } from "../store-contract.ts";
import { groupKinds } from "./journal.ts";

const nothing = step({});
const unbounded = Number.POSITIVE_INFINITY;

/** The groups that can be read. */
function present(journal: JournalReader): JournalPosition[] {
  const { first, last } = journal.extent();
  const positions = Array.from({ length: last }, (_, i) => i + 1);
  const readable = positions.filter((position) => journal.readGroup(position) !== undefined);
  expect(readable).toEqual(positions.filter((position) => position >= first));
  return readable;
}

/** How settled groups stay in the journal, and how they are found, for those who read samples back. */
export function rawSamplesContract(open: Open): void {
  describe.each(groupKinds)("%s", (_, catalogOf) => groupsContract(open, catalogOf));
  handlesContract(open);
}

function groupsContract(open: Open, catalogOf: (i: number) => CatalogStep | undefined): void {
  /** Settled groups of 100 bytes, a second apart, the first one at `nowMs`; each has samples of the second before. */
  function settleGroups(journal: Journal, count: number): void {
    for (let i = 0; i < count; i += 1) {
      const receivedMs = nowMs + i * 1_000;
      const span = { receivedMs, fromMs: receivedMs - 1_000, toMs: receivedMs };
      journal.append(new Uint8Array(100).fill(i), catalogOf(i), span);
    }
    journal.settle(journal.position);
  }

  it("stay until they have been there for longer than the duration", () => {
    const { store, journal } = open(tiers, { durationMs: 10_000, bytesMax: unbounded });
    settleGroups(store, 5);
    const f = (afterMs: number, deleted: number, kept: JournalPosition[]) => {
      expect([store.trim(nowMs + afterMs, 100), present(journal)]).toEqual([deleted, kept]);
    };
    f(10_000, 0, [1, 2, 3, 4, 5]);
    f(10_001, 1, [2, 3, 4, 5]);
    f(12_999, 2, [4, 5]);
    f(0, 0, [4, 5]);
    f(99_000, 2, []);
    expect(journal.extent()).toEqual({ first: 6, last: 5, receivedMs: undefined });
  });

  it("stay until all are larger than the bytes", () => {
    const { store, journal } = open(tiers, { durationMs: unbounded, bytesMax: 350 });
    settleGroups(store, 3);
    expect(store.trim(nowMs, 100)).toBe(0);
    settleGroups(store, 3);
    expect(store.trim(nowMs, 2)).toBe(2);
    expect(store.trim(nowMs, 2)).toBe(1);
    expect(store.trim(nowMs, 2)).toBe(0);
    expect(present(journal)).toEqual([4, 5, 6]);
    expect(journal.extent().receivedMs).toBe(nowMs);
  });

  it("go when either bound is passed", () => {
    const { store, journal } = open(tiers, { durationMs: 10_000, bytesMax: 350 });
    settleGroups(store, 5);
    expect(store.trim(nowMs, 100)).toBe(2);
    expect(store.trim(nowMs + 13_001, 100)).toBe(2);
    expect(present(journal)).toEqual([5]);
  });

  it("stay when they are not settled, whatever the bounds", () => {
    const { store, journal } = open(tiers, { durationMs: 1, bytesMax: 1 });
    settleGroups(store, 2);
    store.append(new Uint8Array(100), catalogOf(0), { receivedMs: 0, fromMs: 0, toMs: 0 });
    expect(store.trim(nowMs + 99_000, 100)).toBe(2);
    expect(store.trim(nowMs + 99_000, 100)).toBe(0);
    expect(present(journal)).toEqual([3]);
  });

  it("are found by the times of their samples, without those that have none", () => {
    const { store, journal } = open(tiers, { durationMs: unbounded, bytesMax: unbounded });
    settleGroups(store, 2);
    store.append(new Uint8Array(9), catalogOf(0), { receivedMs: nowMs, fromMs: undefined, toMs: undefined });
    store.append(new Uint8Array(9), catalogOf(1));
    settleGroups(store, 1);
    const f = (after: number, through: number, fromMs: number, toMs: number, found: JournalPosition | undefined) => {
      expect(journal.findGroup(after, through, nowMs + fromMs, nowMs + toMs)).toBe(found);
    };
    f(0, 9, -1_000, -999, 1);
    f(0, 9, -1_001, -1_000, undefined);
    f(0, 9, 0, 1, 1);
    f(0, 9, 1, 2, 2);
    f(0, 9, 1_001, 9_000, undefined);
    f(1, 9, -2_000, 9_000, 2);
    f(2, 9, -2_000, 9_000, 5);
    f(2, 4, -2_000, 9_000, undefined);
    f(5, 9, -2_000, 9_000, undefined);
  });
}

function handlesContract(open: Open): void {
  it("tell since which group a handle stands for its series", () => {
    const { store, journal } = open(tiers, { durationMs: unbounded, bytesMax: unbounded });
    const catalog = step({
      devices: [device(1, "press")],
      sessions: [session(7, 1, { handles: new Map([[1, 10]]) })],
      series: [series(10, 1, "a"), series(11, 1, "b")],
    });
    store.append(undefined, catalog);
    store.append(Uint8Array.of(1), step({ handles: [[7, 2, 0]] }));
    store.append(Uint8Array.of(1), nothing);
    expect(journal.sessionHandles(7)).toEqual({
      device: 1,
      handles: [
        [1, 10, 1],
        [2, 0, 1],
      ],
    });
    // It was refused, and gets its series with the third group, or before the fourth.
    store.append(Uint8Array.of(1), step({ handles: [[7, 2, 11]] }));
    expect(journal.sessionHandles(7)?.handles).toContainEqual([2, 11, 3]);
    store.append(undefined, step({ handles: [[7, 3, 11]] }));
    expect(journal.sessionHandles(7)?.handles).toContainEqual([3, 11, 4]);
    expect(journal.sessionHandles(8)).toBeUndefined();
    expect(journal.seriesRow(11)).toEqual({ ...series(11, 1, "b"), deviceId: "press", labels: {} });
    expect(journal.seriesRow(12)).toBeUndefined();
  });
}
