import {
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { setImmediate } from "node:timers/promises";
import Database from "better-sqlite3";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { defaultTiers } from "../../../lib/aggregate/tiers.ts";
import { headBytes } from "../../../lib/store/segments/group-head.ts";
import { NoSpaceError } from "../../../lib/store/segments/no-space-error.ts";
import { headerBytes } from "../../../lib/store/segments/segment-header.ts";
import { segmentDirectory } from "../../../lib/store/segments/segment-names.ts";
import { SegmentWriter } from "../../../lib/store/segments/segment-writer.ts";
import { databaseFile, openForWriting } from "../../../lib/store/sqlite/database.ts";
import { isDiskFull } from "../../../lib/store/sqlite/errors.ts";
import { prepareStatements } from "../../../lib/store/sqlite/rows.ts";
import { SqliteJournal } from "../../../lib/store/sqlite/sqlite-journal.ts";
import { openSqliteStore, type SqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { Transactions } from "../../../lib/store/sqlite/transactions.ts";
import { type Journal, noSpan } from "../../../lib/store/store.ts";
import { asHistory, commitSamples, deviceStep, nowMs, readTiers, step } from "../steps.ts";
import { crashCopy, expectRefused, fileHashes, logFile } from "./crash.ts";
import { makeDataDir, openSqlite, openStore } from "./data-dir.ts";

const nothing = step({});
const mib = 1024 * 1024;

/** Large enough for a few to fill a segment. */
const large = (n: number) => new Uint8Array(mib).fill(n);
const small = (n: number) => new Uint8Array(300).fill(n);

const segmentsOf = (dir: string, { incarnation }: SqliteStore) => segmentDirectory(dir, incarnation);
const segmentFiles = (dir: string) =>
  existsSync(dir)
    ? readdirSync(dir)
        .filter((name) => name.endsWith(".segment"))
        .sort()
        .map((name) => join(dir, name))
    : [];

/** What a start would replay: positions, and what the groups were filled with. */
function unsettled(journal: Journal): [number, number | undefined][] {
  return Array.from(journal.read(), ({ position, records }) => [position, records[0]]);
}

/** @returns the groups of a crashed store's directory that are replayed */
function openAgain(dir: string): [number, number | undefined][] {
  const store = openStore(dir);
  try {
    return unsettled(store);
  } finally {
    store.close();
  }
}

/** A directory of a crash of a store with groups 1 to 5, of which 3 came with changes of the catalog. */
function crashed() {
  const dir = makeDataDir();
  const { store } = openSqlite(undefined, dir);
  store.append(undefined, deviceStep(1, "pump", [1]));
  const ends = [1, 2, 3, 4, 5].map((n) => {
    store.append(small(n), n === 3 ? nothing : undefined);
    return statSync(segmentFiles(segmentsOf(dir, store))[0]).size;
  });
  const segment = (of: string) => segmentFiles(join(of, basename(segmentsOf(dir, store))))[0];
  return { dir, store, ends, segment };
}

const all = [1, 2, 3, 4, 5].map((n) => [n, n]);

describe("a journal of which a crash was the end", () => {
  it("is read from the table and the segments as one, and goes on behind them", () => {
    const { dir } = crashed();
    const copy = crashCopy(dir);
    const store = openStore(copy);
    onTestFinished(() => store.close());
    expect(unsettled(store)).toEqual(all);
    expect(store.append(small(6), undefined)).toBe(6);
    expect(store.append(small(7), nothing)).toBe(7);
    expect(unsettled(store)).toEqual([...all, [6, 6], [7, 7]]);
    expect(openAgain(crashCopy(copy))).toEqual([...all, [6, 6], [7, 7]]);
  });

  it("is taken when its last group was not acked, wherever that was cut off", () => {
    const { dir, store, ends, segment } = crashed();
    const acked = readFileSync(join(dir, "acked"));
    store.append(small(6), undefined);
    const end = statSync(segment(dir)).size;
    for (const bytes of [ends[4], ends[4] + 1, ends[4] + 47, ends[4] + 48, end - 1]) {
      const copy = crashCopy(dir);
      writeFileSync(join(copy, "acked"), acked);
      truncateSync(segment(copy), bytes);
      const { store: again, journal } = openSqlite(undefined, copy);
      expect(unsettled(again)).toEqual(all);
      expect(journal.extent()).toMatchObject({ first: 1, last: 5 });
      expect([5, 6].map((position) => journal.readGroup(position)?.[0])).toEqual([5, undefined]);
      expect(again.append(small(60), undefined, { receivedMs: 0, fromMs: 6, toMs: 6 })).toBe(6);
      expect(journal.findGroup(5, 6, 6, 7)).toBe(6);
      expect(journal.readGroup(6)?.[0]).toBe(60);
      expect(openAgain(crashCopy(copy))).toEqual([...all, [6, 60]]);
    }
  });

  it("is refused when its last group was acked, wherever it was cut off", () => {
    const { dir, ends, segment } = crashed();
    const f = (bytes: number, gone: string) => {
      const copy = crashCopy(dir);
      truncateSync(segment(copy), bytes);
      expectRefused(copy, `${gone} of its journal`);
    };
    f(ends[4] - 1, "groups 5 to 5");
    f(ends[3], "groups 5 to 5");
    f(ends[3] - 1, "groups 4 to 5");
    f(ends[1] - 1, "group 2");
    f(0, "group 1");
  });

  it("is refused when any byte of a group in a segment has changed, or the segment is gone", () => {
    const { dir, ends, segment } = crashed();
    fc.assert(
      fc.property(fc.nat(ends[4] - 1), (at) => {
        const copy = crashCopy(dir);
        const bytes = readFileSync(segment(copy));
        bytes[at] ^= 0x10;
        writeFileSync(segment(copy), bytes);
        expectRefused(copy, "is damaged");
      }),
      { numRuns: 40, examples: [[0], [8], [12], [16], [20], [24], [32], [40], [48], [56], [ends[4] - 1]] },
    );
    const copy = crashCopy(dir);
    rmSync(segment(copy));
    expectRefused(copy, "group 1 of its journal was acked and is gone");
  });

  it("is refused without its database", () => {
    const { dir } = crashed();
    const copy = crashCopy(dir);
    rmSync(logFile(copy));
    rmSync(databaseFile(copy));
    expectRefused(copy, "it is gone, and its journal is still here");
    writeFileSync(databaseFile(copy), "");
    rmSync(join(copy, "acked"));
    expectRefused(copy, "it is empty, and its journal is still here");
  });

  it("replays what the database has forgotten of its tables: a power cut keeps what was synced, and that is the journal", () => {
    const dir = makeDataDir();
    const { store: opened, reader } = openSqlite(undefined, dir);
    const store = asHistory(opened);
    store.append(undefined, deviceStep(1, "pump", [1]));
    // Nothing of the database is synced from here on.
    const kept = crashCopy(dir);
    for (const n of [1, 2, 3]) {
      store.append(small(n), undefined);
      commitSamples(store, [{ series: 1, timeMs: n * 10_000, value: n }]);
    }
    opened.settle(2);
    expect(opened.trim(nowMs, 10)).toBe(2);
    expect(readTiers(reader)[0]).not.toEqual([]);
    const name = basename(segmentsOf(dir, opened));
    rmSync(join(kept, name), { recursive: true });
    cpSync(join(dir, name), join(kept, name), { recursive: true });
    cpSync(join(dir, "acked"), join(kept, "acked"));
    expect(openAgain(kept)).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
    ]);
  });
});

describe("groups that are kept, and no start looks at", () => {
  /** Two segments, all groups settled. */
  function kept(change: (bytes: Buffer, ends: { head: number; group: number }) => void) {
    const unbounded = Number.POSITIVE_INFINITY;
    const keepRaw = { durationMs: unbounded, bytesMax: unbounded };
    const dir = makeDataDir();
    const { store } = openSqlite(undefined, dir, keepRaw);
    for (let n = 1; n <= 20; n += 1)
      store.append(large(n), n === 3 ? nothing : undefined, { receivedMs: n, fromMs: n, toMs: n });
    store.settle(20);
    const copy = crashCopy(dir);
    const [segment] = segmentFiles(join(copy, basename(segmentsOf(dir, store))));
    const bytes = readFileSync(segment);
    const group = headBytes + mib;
    // Of the fourth one, the third of this segment.
    change(bytes, { head: headerBytes + 2 * group, group: headerBytes + 3 * group });
    writeFileSync(segment, bytes);
    return openSqlite(undefined, copy, keepRaw).journal;
  }

  it("are read as they are", () => {
    const journal = kept(() => {});
    for (let n = 1; n <= 20; n += 1) {
      expect(journal.findGroup(n - 1, 20, n, n + 1)).toBe(n);
      expect(journal.readGroup(n)?.[0]).toBe(n);
    }
    expect(journal.readGroup(21)).toBeUndefined();
  });

  it("are an error where one has changed, and not left out", () => {
    const journal = kept((bytes, { group }) => {
      bytes[group - 1] ^= 0x10;
    });
    expect(journal.findGroup(3, 20, 0, 100)).toBe(4);
    expect(() => journal.readGroup(4)).toThrow("group 4 of its journal cannot be read");
    expect(journal.readGroup(5)?.[0]).toBe(5);
  });

  it("are an error where they cannot be found any more", () => {
    const journal = kept((bytes, { head }) => {
      bytes[head] ^= 0x10;
    });
    expect(() => journal.findGroup(0, 20, 0, 100)).toThrow("14 of the groups 1 to 17 of its journal are gone");
    expect(() => journal.readGroup(4)).toThrow("of its journal are gone");
  });

  it("are an error, and are not deleted, where their file is there and cannot be opened", () => {
    const dir = makeDataDir();
    const { store, journal } = openSqlite(undefined, dir, { durationMs: 1_000, bytesMax: 1_000 * mib });
    for (let n = 1; n <= 3; n += 1) store.append(small(n), undefined, { receivedMs: nowMs, fromMs: n, toMs: n });
    store.settle(3);
    const [file] = segmentFiles(segmentsOf(dir, store));
    renameSync(file, `${file}.away`);
    symlinkSync(file, file);
    expect(() => journal.findGroup(0, 3, 0, 9)).toThrow("ELOOP");
    expect(() => journal.readGroup(1)).toThrow("ELOOP");
    expect(() => store.trim(nowMs, 10)).toThrow("ELOOP");
    rmSync(file);
    expect(() => journal.findGroup(0, 3, 0, 9)).toThrow("3 of the groups 1 to 3 of its journal are gone");
    renameSync(`${file}.away`, file);
    expect(journal.findGroup(0, 3, 0, 9)).toBe(1);
    expect(store.trim(nowMs, 10)).toBe(0);
  });
});

it("space that is missing for anything but a segment is no full disk: memory and disk may differ then", () => {
  expect(isDiskFull(new NoSpaceError(new Error("ENOSPC")))).toBe(true);
  expect(isDiskFull(Object.assign(new Error("of the acked position"), { code: "ENOSPC" }))).toBe(false);
});

describe("the segments of a journal", () => {
  it("are deleted when what shows their groups is on disk: before, the database is synced", () => {
    const dataDir = makeDataDir();
    const store = openSqliteStore({ dataDir, tiers: defaultTiers, durability: "fsync" });
    onTestFinished(() => store.close());
    const synced = () => {
      const before = store.fsyncs;
      return () => store.fsyncs - before;
    };
    const appended = synced();
    for (let n = 1; n <= 33; n += 1) store.append(large(n), undefined);
    // One for each, and one of the directory for each segment.
    expect(appended()).toBe(33 + 3);
    const files = segmentFiles(segmentsOf(dataDir, store));
    expect(files).toHaveLength(3);
    const settled = synced();
    store.settle(20);
    expect(store.trim(nowMs, 5)).toBe(5);
    expect(settled()).toBe(0);
    expect(segmentFiles(segmentsOf(dataDir, store))).toEqual(files);
    expect(store.trim(nowMs, 15)).toBe(15);
    expect(settled()).toBe(1);
    expect(segmentFiles(segmentsOf(dataDir, store))).toEqual(files.slice(1));
    expect(unsettled(store).map(([position]) => position)).toEqual(Array.from({ length: 13 }, (_, i) => 21 + i));
  });

  it("are gone with a store that is closed when all is settled, and stay while something is not", () => {
    const dir = makeDataDir();
    const first = openStore(dir);
    const segments = segmentsOf(dir, first);
    first.append(small(1), undefined);
    first.append(small(2), undefined);
    first.settle(1);
    first.trim(nowMs, 10);
    first.close();
    expect(segmentFiles(segments)).toHaveLength(1);

    const second = openStore(dir);
    expect(unsettled(second)).toEqual([[2, 2]]);
    second.settle(2);
    second.trim(nowMs, 10);
    second.close();
    expect(existsSync(segments)).toBe(false);
    const third = openStore(dir);
    expect(third.position).toBe(2);
    expect(third.append(small(3), undefined)).toBe(3);
    third.close();
  });

  it("are not read where the table has the group: an append to the segment had failed, and left it there", () => {
    const dir = makeDataDir();
    const { store, journal } = openSqlite(undefined, dir, { durationMs: 1, bytesMax: 1 });
    store.append(small(1), undefined);
    const failed = new SegmentWriter(segmentsOf(dir, store), "process");
    failed.append(2, small(99), noSpan);
    failed.close();
    store.append(small(2), nothing);
    expect(unsettled(store)).toEqual([
      [1, 1],
      [2, 2],
    ]);
    expect(journal.readGroup(2)?.[0]).toBe(2);
    expect(openAgain(crashCopy(dir))).toEqual([
      [1, 1],
      [2, 2],
    ]);
  });
});

describe("a backup of a journal in segments", () => {
  it("has every group, of both kinds, that is kept or not settled, in one file", async () => {
    const dir = makeDataDir();
    const unbounded = Number.POSITIVE_INFINITY;
    const { store, journal } = openSqlite(undefined, dir, { durationMs: 5_000, bytesMax: unbounded });
    for (let n = 1; n <= 9; n += 1) {
      const span = { receivedMs: nowMs + n * 1_000, fromMs: n, toMs: n + 1 };
      store.append(small(n), n % 3 === 0 ? nothing : undefined, span);
    }
    store.settle(7);
    expect(store.trim(nowMs + 7_000, 10)).toBe(1);
    const copyDir = makeDataDir();
    await store.backUp(databaseFile(copyDir));
    expect(readdirSync(copyDir)).toEqual(["tidemark.sqlite"]);
    const copy = openSqlite(undefined, copyDir, { durationMs: unbounded, bytesMax: unbounded });
    expect(unsettled(copy.store)).toEqual([
      [8, 8],
      [9, 9],
    ]);
    expect(copy.journal.extent()).toEqual(journal.extent());
    for (let n = 1; n <= 9; n += 1) {
      expect(copy.journal.readGroup(n)?.[0]).toBe(n === 1 ? undefined : n);
      expect(copy.journal.findGroup(n - 1, 9, n, n + 1)).toBe(n === 1 ? undefined : n);
    }
    expect(copy.store.append(small(10), undefined)).toBe(10);
  });

  it("is of one moment, however many groups come and go while it is made", async () => {
    const dir = makeDataDir();
    const { store } = openSqlite(undefined, dir);
    for (let n = 1; n <= 20; n += 1) store.append(large(n), undefined);
    const copyDir = makeDataDir();
    let done = false;
    const backingUp = store.backUp(databaseFile(copyDir)).finally(() => {
      done = true;
    });
    let appended = 20;
    while (!done) {
      appended += 1;
      store.append(small(appended % 256), appended % 2 === 0 ? nothing : undefined);
      store.settle(appended - 1);
      store.trim(nowMs, 1_000);
      await setImmediate();
    }
    await backingUp;
    expect(appended).toBeGreaterThan(20);
    const copy = openStore(copyDir);
    onTestFinished(() => copy.close());
    const groups = unsettled(copy);
    // What it says is settled, and all behind it without a hole.
    expect(groups).toEqual(groups.map((_, i) => [copy.settled + 1 + i, (copy.settled + 1 + i) % 256]));
    expect(copy.position).toBe(copy.settled + groups.length);
    expect(copy.position).toBeLessThanOrEqual(appended);
  });

  it("has nothing of them deleted while it copies them", async () => {
    const dir = makeDataDir();
    const db = openForWriting(dir, "process", defaultTiers);
    const journal = new SqliteJournal(new Transactions(db), prepareStatements(db), dir, undefined);
    const file = databaseFile(makeDataDir());
    await db.backup(file);
    const copy = new Database(file);
    for (let n = 1; n <= 40; n += 1) journal.append(large(n), undefined);
    let done = false;
    const copying = journal.copyGroups(copy).finally(() => {
      done = true;
    });
    for (; !done; await setImmediate()) {
      journal.settle(40);
      expect(journal.trim(nowMs, 1_000)).toBe(0);
    }
    await copying;
    expect(copy.prepare("SELECT count(*) FROM journal").pluck().get()).toBe(40);
    expect(journal.trim(nowMs, 1_000)).toBe(40);
    copy.close();
    journal.close(false);
    db.close();
  });

  it("leaves the segments of the database in whose place it is put as they are, and unread", async () => {
    const dir = makeDataDir();
    const store = openStore(dir);
    store.append(small(1), undefined);
    const backup = join(makeDataDir(), "backup");
    await store.backUp(backup);
    store.append(small(2), undefined);
    const segments = segmentsOf(dir, store);
    store.close();
    const before = fileHashes(segments);
    cpSync(backup, databaseFile(dir));
    expect(openAgain(dir)).toEqual([[1, 1]]);
    expect(fileHashes(segments)).toEqual(before);
  });
});
