import { statSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import { defaultTiers } from "../../../lib/aggregate/tiers.ts";
import { databaseFile } from "../../../lib/store/sqlite/database.ts";
import { openSqliteReader } from "../../../lib/store/sqlite/sqlite-reader.ts";
import { openSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { step } from "../steps.ts";
import { makeDataDir } from "./data-dir.ts";

const mib = 1024 * 1024;

describe("the log of the database", () => {
  it("is emptied each time that it has grown long, and not in between", () => {
    const dataDir = makeDataDir();
    const store = openSqliteStore({ dataDir, tiers: defaultTiers, durability: "process" });
    onTestFinished(() => store.close());
    /** Whether the database changes. */
    const checkpoint = () => {
      const modified = () => statSync(databaseFile(dataDir), { bigint: true }).mtimeNs;
      const before = modified();
      store.checkpoint();
      return modified() !== before;
    };
    for (let times = 0; times < 3; times += 1) {
      for (let i = 0; i < 15; i += 1) {
        store.append(new Uint8Array(mib), step({}));
        expect(checkpoint()).toBe(false);
      }
      store.append(new Uint8Array(2 * mib), step({}));
      expect(checkpoint()).toBe(true);
      // Its file is still as long.
      const { fsyncs } = store;
      store.checkpoint();
      expect(store.fsyncs).toBe(fsyncs);
    }
  });

  it("is said to be too long while a snapshot keeps it from being emptied, and not afterwards", () => {
    const dataDir = makeDataDir();
    const store = openSqliteStore({ dataDir, tiers: defaultTiers, durability: "process", logBytesMax: 20 * mib });
    onTestFinished(() => store.close());
    const reader = openSqliteReader(dataDir, defaultTiers);
    onTestFinished(() => reader.close());
    const grow = (bytes: number) => {
      for (let left = bytes; left > 0; left -= mib) store.append(new Uint8Array(mib), step({}));
    };
    // Long, but nobody holds it.
    grow(25 * mib);
    expect(store.checkpoint()).toBe(false);
    reader.beginSnapshot();
    grow(17 * mib);
    expect(store.checkpoint()).toBe(false);
    grow(5 * mib);
    expect(store.checkpoint()).toBe(true);
    reader.endSnapshot();
    expect(store.checkpoint()).toBe(false);
  });
});
