import { describe, expect, it } from "vitest";
import type { CatalogStep, Journal } from "../../../lib/store/store.ts";
import { commitSamples, deviceStep, nowMs, readTiers, step, tiers } from "../steps.ts";
import type { Open } from "../store-contract.ts";

const nothing = step({});

/** What comes with a group: a store may keep those that change the catalog elsewhere than others. */
export const groupKinds: readonly (readonly [name: string, catalogOf: (i: number) => CatalogStep | undefined])[] = [
  ["of records only", () => undefined],
  ["with changes of the catalog", () => nothing],
  ["of both kinds", (i) => (i % 3 === 1 ? nothing : undefined)],
];

const unsettled = (journal: Journal) => Array.from(journal.read(), ({ position }) => position);

export function journalContract(open: Open): void {
  describe.each(groupKinds)("of groups %s", (_, catalogOf) => groupsContract(open, catalogOf));

  it("stores the catalog with a group, and by itself without a position", () => {
    const { store } = open(tiers);
    expect(store.append(undefined, deviceStep(1, "pump", [1]))).toBe(0);
    expect(store.append(Uint8Array.of(1), deviceStep(2, "fan", [2]))).toBe(1);
    expect(store.append(undefined, deviceStep(3, "valve", [3]))).toBe(1);
    expect(["pump", "fan", "valve"].map((id) => store.findDevice(id)?.series[0].id)).toEqual([1, 2, 3]);
    expect(unsettled(store)).toEqual([1]);
  });
}

function groupsContract(open: Open, catalogOf: (i: number) => CatalogStep | undefined): void {
  function appendGroups(journal: Journal, count: number): void {
    for (let i = 0; i < count; i += 1) journal.append(Uint8Array.of(i), catalogOf(i));
  }

  it("is read in the order in which it was appended, positions counted from 1", () => {
    const { store } = open(tiers);
    expect(store.position).toBe(0);
    expect([...store.read()]).toEqual([]);
    const groups = [Uint8Array.of(1, 2, 3), Uint8Array.of(0), new Uint8Array(100_000).fill(7), new Uint8Array()];
    for (const [i, records] of groups.entries()) {
      expect(store.append(records, catalogOf(i))).toBe(i + 1);
      expect(store.position).toBe(i + 1);
    }
    const read = Array.from(store.read(), ({ position, records }) => ({ position, records: Uint8Array.from(records) }));
    expect(read).toEqual(groups.map((records, i) => ({ position: i + 1, records })));
  });

  it("is not changed by what is done to the bytes that went in", () => {
    const { store } = open(tiers);
    const records = Uint8Array.of(1, 2, 3);
    store.append(records.subarray(1), catalogOf(0));
    records.fill(9);
    expect(Array.from(store.read(), (entry) => [...entry.records])).toEqual([[2, 3]]);
  });

  it("is read from behind what is settled, which never goes back", () => {
    const { store } = open(tiers);
    appendGroups(store, 4);
    for (const [through, settled] of [
      [0, 0],
      [3, 3],
      [1, 3],
      [1_000, 4],
    ]) {
      store.settle(through);
      expect(store.settled).toBe(settled);
      expect(unsettled(store)).toEqual([1, 2, 3, 4].filter((position) => position > settled));
    }
  });

  it("is trimmed in bounded steps, and not beyond what is settled", () => {
    const { store, journal } = open(tiers);
    appendGroups(store, 10);
    expect(store.trim(nowMs, 3)).toBe(0);
    store.settle(7);
    expect(journal.extent()).toMatchObject({ first: 1, last: 10 });
    for (const [deleted, first] of [
      [3, 4],
      [3, 7],
      [1, 8],
      [0, 8],
    ]) {
      expect(store.trim(nowMs, 3)).toBe(deleted);
      expect(journal.extent()).toMatchObject({ first, last: 10 });
    }
    expect(unsettled(store)).toEqual([8, 9, 10]);
  });

  it("goes on counting when everything was trimmed", () => {
    const { store, journal } = open(tiers);
    expect(journal.extent()).toEqual({ first: 1, last: 0, receivedMs: undefined });
    store.settle(5);
    expect(store.trim(nowMs, 10)).toBe(0);
    appendGroups(store, 3);
    store.settle(1_000);
    expect(store.trim(nowMs, 10)).toBe(3);
    expect(store.trim(nowMs, 10)).toBe(0);
    expect(journal.extent()).toEqual({ first: 4, last: 3, receivedMs: undefined });
    expect(store.position).toBe(3);
    expect(store.append(Uint8Array.of(1), catalogOf(0))).toBe(4);
    expect(unsettled(store)).toEqual([4]);
  });

  it("leaves windows, marks and positions of shards as they are when it is trimmed", () => {
    const { store, reader } = open(tiers);
    store.append(Uint8Array.of(1), deviceStep(1, "pump", [1]));
    commitSamples(store, [{ series: 1, timeMs: 0, value: 1 }]);
    const before = [readTiers(reader), store.findDevice("pump"), store.positions()];
    store.settle(1);
    expect(store.trim(nowMs, 10)).toBe(1);
    expect([readTiers(reader), store.findDevice("pump"), store.positions()]).toEqual(before);
  });
}
