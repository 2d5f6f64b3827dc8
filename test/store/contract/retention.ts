import { expect, it } from "vitest";
import type { Tier } from "../../../lib/aggregate/tiers.ts";
import { plainWindows } from "../../aggregate/plain-windows.ts";
import { asHistory, commitSamples, deviceStep, readTiers, tiers } from "../steps.ts";
import type { Open } from "../store-contract.ts";

export function retentionContract(open: Open): void {
  const keeping: readonly Tier[] = [
    { widthMs: 10_000, retentionMs: 30_000 },
    { widthMs: 60_000, retentionMs: 120_000 },
    { widthMs: 3_600_000 },
  ];
  const times = [0, 9_999, 10_000, 59_999, 60_000, 69_999, 70_000, 100_000];
  const samples = times.map((timeMs) => ({ series: 1, timeMs, value: timeMs }));

  it("deletes what its tier no longer keeps in bounded steps, and nothing else", () => {
    const { store, reader } = open(keeping);
    asHistory(store);
    store.append(undefined, deviceStep(1, "pump", [1]));
    commitSamples(store, samples, 0);
    const [tens, minutes, hours] = readTiers(reader);
    expect([tens.length, minutes.length, hours.length]).toEqual([6, 2, 1]);
    expect(store.prune(30_000, 2)).toBe(0);

    // Six windows of 10 s and one of a minute are too old.
    expect(store.prune(180_000, 4)).toBe(4);
    expect(readTiers(reader).flat()).toHaveLength(5);
    expect(store.prune(180_000, 4)).toBe(3);
    expect(readTiers(reader)).toEqual([[], minutes.slice(1), hours]);
    expect(store.prune(180_000, 4)).toBe(0);
  });

  it("deletes no more than asked for when several tiers have old windows", () => {
    const { store, reader } = open(keeping);
    asHistory(store);
    store.append(undefined, deviceStep(1, "pump", [1]));
    commitSamples(store, samples, 0);
    expect(store.prune(240_000, 7)).toBe(7);
    expect(readTiers(reader).flat()).toHaveLength(2);
    expect(store.prune(240_000, 7)).toBe(1);
  });

  it("counts and merges samples of a window again that was deleted", () => {
    const { store, reader } = open(keeping);
    asHistory(store);
    store.append(undefined, deviceStep(1, "pump", [1]));
    commitSamples(store, samples, 0);
    store.prune(1_000_000, 1_000);
    commitSamples(store, samples.slice(0, 1), 0);
    const [tens] = readTiers(reader);
    expect(tens).toEqual(plainWindows(samples.slice(0, 1), 10_000));
  });

  it("never deletes anything of a tier without retention", () => {
    const { store, reader } = open(tiers);
    store.append(undefined, deviceStep(1, "pump", [1]));
    commitSamples(store, samples, 0);
    const before = readTiers(reader);
    expect(store.prune(Number.MAX_SAFE_INTEGER, 1_000)).toBe(0);
    expect(readTiers(reader)).toEqual(before);
  });
}
