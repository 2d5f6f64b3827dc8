import {
  closeSync,
  copyFileSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { databaseFile } from "../../../lib/store/sqlite/database.ts";
import type { SqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { commitSamples, deviceStep, step } from "../steps.ts";
import { crashCopy, expectRefused, logFile } from "./crash.ts";
import { makeDataDir, openSqlite, openStore } from "./data-dir.ts";

const nothing = step({});

/** Groups of several pages, so that a transaction can be torn. */
const group = (n: number) => new Uint8Array(20_000).fill(n);

/** An open store with a device and five groups. @returns also the length of the log after each group */
function openWithGroups(): { dir: string; store: SqliteStore; logBytes: number[] } {
  const dir = makeDataDir();
  const { store } = openSqlite(undefined, dir);
  store.append(undefined, deviceStep(1, "pump", [1]));
  const logBytes = [1, 2, 3, 4, 5].map((n) => {
    store.append(group(n), nothing);
    return statSync(logFile(dir)).size;
  });
  return { dir, store, logBytes };
}

function patch(file: string, at: number, bytes: Uint8Array): void {
  const fd = openSync(file, "r+");
  writeSync(fd, bytes, 0, bytes.length, at);
  closeSync(fd);
}

function flip(file: string, at: number): void {
  patch(file, at, Uint8Array.of(readFileSync(file)[at] ^ 0x10));
}

/** @returns the groups that are left, by what they were filled with */
function openAgain(dir: string): number[] {
  const store = openStore(dir);
  try {
    return Array.from(store.read(), ({ records }) => records[0]);
  } finally {
    store.close();
  }
}

describe("the log of a store that has crashed", () => {
  it("is taken as it is, with every acked group", () => {
    const { dir } = openWithGroups();
    expect(openAgain(crashCopy(dir))).toEqual([1, 2, 3, 4, 5]);
  });

  it("is refused when it lost its end after groups were acked", () => {
    const { dir, logBytes } = openWithGroups();
    function f(bytes: number, want: string): void {
      const copy = crashCopy(dir);
      truncateSync(logFile(copy), bytes);
      expectRefused(copy, `${databaseFile(copy)} is damaged: groups ${want} of its journal were acked and are gone`);
    }
    f(logBytes[3], "5 to 5");
    f(logBytes[1], "3 to 5");
    f(logBytes[4] - 1, "5 to 5");
    f(logBytes[2] + 5_000, "4 to 5");
    f(0, "1 to 5");
  });

  it("is refused when it is gone", () => {
    const { dir } = openWithGroups();
    const copy = crashCopy(dir);
    rmSync(logFile(copy));
    expectRefused(copy, "groups 1 to 5 of its journal were acked and are gone");
  });

  it("is taken when it ends in a transaction that was not acked, cut off at any point", () => {
    const { dir, store, logBytes } = openWithGroups();
    const acked = readFileSync(join(dir, "acked"));
    store.append(group(6), nothing);
    const end = statSync(logFile(dir)).size;
    for (const bytes of [logBytes[4] + 1, logBytes[4] + 24, logBytes[4] + 5_000, end - 1]) {
      const copy = crashCopy(dir);
      writeFileSync(join(copy, "acked"), acked);
      truncateSync(logFile(copy), bytes);
      expect(openAgain(copy)).toEqual([1, 2, 3, 4, 5]);
    }
  });

  it("is taken when its last transaction was not acked and its end is on disk, but not its beginning", () => {
    const { dir, store, logBytes } = openWithGroups();
    const acked = readFileSync(join(dir, "acked"));
    store.append(group(6), nothing);
    const copy = crashCopy(dir);
    writeFileSync(join(copy, "acked"), acked);
    patch(logFile(copy), logBytes[4], new Uint8Array(4_096 + 24));
    expect(openAgain(copy)).toEqual([1, 2, 3, 4, 5]);
  });

  it("is refused when any byte has changed that acked groups lie behind", () => {
    const { dir, logBytes } = openWithGroups();
    const places = fc.oneof(fc.nat(31), fc.integer({ min: 32, max: logBytes[2] - 1 }));
    fc.assert(
      fc.property(places, (at) => {
        const copy = crashCopy(dir);
        flip(logFile(copy), at);
        expectRefused(copy, "is damaged");
      }),
      { numRuns: 40, examples: [[0], [3], [8], [16], [23], [24], [31], [32], [36], [40], [48], [56], [logBytes[1]]] },
    );
  });

  it("is taken when what a power cut kept of it are later windows and not earlier ones: all groups are there", () => {
    const { dir, store, logBytes } = openWithGroups();
    // Not synced: the disk may have written them in any order.
    for (const series of [1, 256, 512]) commitSamples(store, [{ series, timeMs: 0, value: 1 }]);
    const copy = crashCopy(dir);
    patch(logFile(copy), logBytes[4], new Uint8Array(4_096 + 24));
    expect(openAgain(copy)).toEqual([1, 2, 3, 4, 5]);
  });

  it("that has been moved into the database and begun anew is taken, whatever of the old one is behind it", () => {
    const dir = makeDataDir();
    const { store } = openSqlite(undefined, dir);
    const large = new Uint8Array(1024 * 1024);
    for (let n = 1; n <= 17; n += 1) store.append(large.fill(n), nothing);
    store.checkpoint();
    store.append(large.fill(18), nothing);
    store.append(group(19), nothing);
    const copy = crashCopy(dir);
    expect(statSync(logFile(copy)).size).toBeGreaterThan(16 * 1024 * 1024);
    expect(openAgain(copy)).toEqual(Array.from({ length: 19 }, (_, i) => i + 1));
  });
});

describe("a database", () => {
  /** Closed, with all its pages in use. */
  function closedStore(): string {
    const dir = makeDataDir();
    const store = openStore(dir);
    store.append(Uint8Array.of(1), deviceStep(1, "pump", [1]));
    commitSamples(
      store,
      Array.from({ length: 500 }, (_, i) => ({ series: 1, timeMs: i * 10_000, value: i })),
    );
    store.close();
    return dir;
  }

  it("is refused with a page of zeros, whichever it is", () => {
    const dir = closedStore();
    const pages = statSync(databaseFile(dir)).size / 4_096;
    expect(pages).toBeGreaterThan(15);
    for (let page = 0; page < pages; page += 1) {
      const copy = crashCopy(dir);
      patch(databaseFile(copy), page * 4_096, new Uint8Array(4_096));
      expectRefused(copy, `${databaseFile(copy)} is damaged`);
    }
  });

  it("is refused with a damaged header", () => {
    const dir = closedStore();
    function f(at: number, bytes: Uint8Array): void {
      const copy = crashCopy(dir);
      patch(databaseFile(copy), at, bytes);
      expectRefused(copy, `${databaseFile(copy)} is damaged`);
    }
    f(0, new Uint8Array(100));
    f(0, Buffer.from("SQLite format 2"));
    f(16, Uint8Array.of(0, 0));
    f(100, new Uint8Array(8));
  });

  it("is refused when its file was cut off", () => {
    const dir = closedStore();
    truncateSync(databaseFile(dir), 8 * 4_096);
    expectRefused(dir, `${databaseFile(dir)} is damaged`);
  });

  it("is refused when it is empty beside a log with acked groups", () => {
    const { dir } = openWithGroups();
    const copy = crashCopy(dir);
    truncateSync(databaseFile(copy), 0);
    expectRefused(copy, `${databaseFile(copy)} is damaged`);
  });

  it("is refused in an older copy that is not a backup: what was acked since then is gone", () => {
    const dir = closedStore();
    const older = crashCopy(dir);
    const store = openStore(dir);
    store.append(group(2), nothing);
    store.close();
    copyFileSync(databaseFile(older), databaseFile(dir));
    expectRefused(dir, "groups 2 to 2 of its journal were acked and are gone");
  });

  it("is taken when everything acked was trimmed, which is not lost", () => {
    const { dir, store } = openWithGroups();
    store.settle(5);
    expect(store.trim(0, 100)).toBe(5);
    const copy = crashCopy(dir);
    expect(openAgain(copy)).toEqual([]);
    const again = openStore(copy);
    expect(again.position).toBe(5);
    again.close();
  });
});
