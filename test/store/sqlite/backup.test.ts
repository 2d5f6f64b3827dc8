import { copyFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { defaultTiers } from "../../../lib/aggregate/tiers.ts";
import { databaseFile } from "../../../lib/store/sqlite/database.ts";
import { openSqliteReader } from "../../../lib/store/sqlite/sqlite-reader.ts";
import { all, commitSamples, deviceStep, readRange, readTiers, session, step } from "../steps.ts";
import { makeDataDir, openSqlite, openStore } from "./data-dir.ts";

const seriesIds = Array.from({ length: 40 }, (_, i) => i + 1);

/** Every series has a sample in each of the first windows: several hundred pages, more than SQLite copies in a step. */
const samples = seriesIds.flatMap((series) =>
  Array.from({ length: 200 }, (_, i) => ({ series, timeMs: i * 10_000, value: series })),
);

function openFilled() {
  const dir = makeDataDir();
  const opened = openSqlite(defaultTiers, dir);
  opened.store.append(Uint8Array.of(1), deviceStep(1, "pump", seriesIds));
  commitSamples(opened.store, samples);
  opened.store.commitSessions([session(1, 1, { ackedSequence: 1, samplesCounted: samples.length })]);
  return { dir, ...opened };
}

describe("a backup", () => {
  it("has the same windows, catalog and journal, and another incarnation", async () => {
    const { store, reader } = openFilled();
    const copyDir = makeDataDir();
    await store.backUp(databaseFile(copyDir));
    expect(readdirSync(copyDir)).toEqual(["tidemark.sqlite"]);

    const copy = openSqlite(defaultTiers, copyDir);
    expect(readTiers(copy.reader)).toEqual(readTiers(reader));
    expect(copy.reader.devices("", 10)).toEqual(reader.devices("", 10));
    expect(copy.reader.series(all, undefined, 100)).toEqual(reader.series(all, undefined, 100));
    expect([...copy.store.read()]).toEqual([...store.read()]);
    expect(copy.store.positions()).toEqual(store.positions());
    expect(copy.store.position).toBe(1);
    expect(copy.store.incarnation).toMatch(/^[0-9a-f]{32}$/);
    expect(copy.store.incarnation).not.toBe(store.incarnation);
  });

  it("has a name of its own each time, and leaves the store's as it is", async () => {
    const { dir, store } = openFilled();
    const names = [store.incarnation];
    for (const _ of ["first", "second"]) {
      const copyDir = makeDataDir();
      await store.backUp(databaseFile(copyDir));
      names.push(openSqlite(defaultTiers, copyDir).store.incarnation);
    }
    expect(new Set(names).size).toBe(3);
    store.append(Uint8Array.of(2), step({}));
    const reader = openSqliteReader(dir, defaultTiers);
    onTestFinished(() => reader.close());
    expect(readRange(reader, {}).windows).toHaveLength(samples.length);
  });

  it("shows one moment while commits go on, and the commits are not lost", async () => {
    const { store, reader } = openFilled();
    const copyDir = makeDataDir();
    let done = false;
    const backingUp = store.backUp(databaseFile(copyDir)).finally(() => {
      done = true;
    });
    const oneMore = seriesIds.map((series) => ({ series, timeMs: 0, value: series }));
    let commits = 0;
    while (!done) {
      commits += 1;
      store.append(Uint8Array.of(commits), step({}));
      commitSamples(store, oneMore);
      await setImmediate();
    }
    await backingUp;
    expect(commits).toBeGreaterThan(3);
    const firstCounts = (of: typeof reader) => readRange(of, { toMs: 10_000 }).windows.map((window) => window.count);
    expect(firstCounts(reader)).toEqual(seriesIds.map(() => 1 + commits));

    const copy = openSqlite(defaultTiers, copyDir);
    const applied = copy.store.positions().get(0) ?? 0;
    expect(firstCounts(copy.reader)).toEqual(seriesIds.map(() => applied));
    expect(copy.store.position - applied).toBeGreaterThanOrEqual(0);
    expect(copy.store.position - applied).toBeLessThanOrEqual(1);
    expect(readRange(copy.reader, {}).windows).toHaveLength(samples.length);
  });

  it("is taken in the place of the database that it was made of, though that had acked more", async () => {
    const dir = makeDataDir();
    const backup = join(makeDataDir(), "backup");
    const store = openStore(dir);
    store.append(Uint8Array.of(1), step({}));
    await store.backUp(backup);
    store.append(Uint8Array.of(2), step({}));
    store.append(Uint8Array.of(3), step({}));
    store.close();
    copyFileSync(backup, databaseFile(dir));
    const restored = openStore(dir);
    onTestFinished(() => restored.close());
    expect(restored.position).toBe(1);
    expect(restored.append(Uint8Array.of(7), step({}))).toBe(2);
  });

  it("tells when it cannot be written", async () => {
    const { store } = openFilled();
    await expect(store.backUp(join(makeDataDir(), "missing", "backup"))).rejects.toThrow();
    expect(store.append(Uint8Array.of(2), step({}))).toBe(2);
  });
});
