import Database from "better-sqlite3";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Tier } from "../../../lib/aggregate/tiers.ts";
import { TelemetryError } from "../../../lib/base/errors.ts";
import { databaseFile, openForReading } from "../../../lib/store/sqlite/database.ts";
import { applicationId, schemaVersion } from "../../../lib/store/sqlite/schema.ts";
import { asHistory, commitSamples, deviceStep, series, step } from "../steps.ts";
import { crashCopy } from "./crash.ts";
import { makeDataDir, openSqlite, openStore } from "./data-dir.ts";

const tiers: readonly Tier[] = [{ widthMs: 10_000 }, { widthMs: 60_000 }];

/** A directory whose database was changed behind our back. */
function changedBy(...statements: readonly string[]): string {
  const dir = makeDataDir();
  const db = new Database(databaseFile(dir));
  for (const sql of statements) db.exec(sql);
  db.close();
  return dir;
}

describe("prepareSchema", () => {
  it("refuses the database of another program, also the second time", () => {
    function f(wantId: number, ...statements: readonly string[]): void {
      const dir = changedBy(...statements);
      for (let attempt = 0; attempt < 2; attempt += 1) {
        const open = () => openStore(dir, tiers);
        expect(open).toThrow(TelemetryError);
        expect(open).toThrow(expect.objectContaining({ status: "FAILED_PRECONDITION", reason: "FOREIGN_DATABASE" }));
        expect(open).toThrow(
          `${databaseFile(dir)} is a database of another program (application id ${wantId}); name another directory`,
        );
      }
    }
    f(0, "CREATE TABLE t (a)");
    f(77, "PRAGMA application_id = 77", "CREATE TABLE t (a)");
    f(0, "PRAGMA user_version = 1");
  });

  it("leaves the tables of another program as they are", () => {
    const dir = changedBy("CREATE TABLE t (a)", "INSERT INTO t VALUES (42)");
    expect(() => openStore(dir, tiers)).toThrow("another program");
    const db = openForReading(dir);
    onTestFinished(() => void db.close());
    expect(db.prepare("SELECT name FROM sqlite_schema").pluck().all()).toEqual(["t"]);
    expect(db.prepare("SELECT a FROM t").pluck().get()).toBe(42);
  });

  it("refuses other tiers than the database was made with, names both, and says how to go on", () => {
    const dir = makeDataDir();
    openStore(dir, tiers).close();
    function f(widthsMs: readonly number[], names: string): void {
      const open = () =>
        openStore(
          dir,
          widthsMs.map((widthMs) => ({ widthMs })),
        );
      expect(open).toThrow(TelemetryError);
      expect(open).toThrow(expect.objectContaining({ status: "FAILED_PRECONDITION", reason: "TIERS_DIFFER" }));
      expect(open).toThrow(
        `${databaseFile(dir)} has the tiers 10s,1m, not ${names}; start with --tiers 10s,1m, or name an empty directory`,
      );
    }
    f([10_000], "10s");
    f([60_000], "1m");
    f([10_000, 60_000, 3_600_000], "10s,1m,1h");
    f([10_000, 120_000], "10s,2m");
    // Refused, it is as it was; how long a tier keeps its windows may change.
    openStore(dir, [{ widthMs: 10_000, retentionMs: 60_000 }, { widthMs: 60_000 }]).close();
  });

  it("refuses another version of the schema, and names both", () => {
    function f(version: number): void {
      const dir = makeDataDir();
      openStore(dir, tiers).close();
      const db = new Database(databaseFile(dir));
      db.pragma(`user_version = ${version}`);
      db.close();
      const open = () => openStore(dir, tiers);
      expect(open).toThrow(TelemetryError);
      expect(open).toThrow(expect.objectContaining({ reason: "SCHEMA_VERSION" }));
      expect(open).toThrow(
        `${databaseFile(dir)} has schema version ${version}, this program reads version ${schemaVersion}`,
      );
    }
    f(schemaVersion + 1);
    f(2);
  });

  it("brings a database of version 3, which had all groups in its table, to this one, and loses nothing", () => {
    function f(count: number, settled: number, trimmed: number): void {
      const dir = makeDataDir();
      const { store } = openSqlite(tiers, dir);
      for (let n = 1; n <= count; n += 1) store.append(Uint8Array.of(n), step({}));
      store.settle(settled);
      store.trim(0, trimmed);
      const old = crashCopy(dir);
      const db = new Database(databaseFile(old));
      db.exec("ALTER TABLE meta DROP COLUMN trimmed; PRAGMA user_version = 3");
      db.close();
      const { store: upgraded, journal } = openSqlite(tiers, old);
      expect(Array.from(upgraded.read(), ({ records }) => records[0])).toEqual(
        Array.from(store.read(), ({ records }) => records[0]),
      );
      expect(journal.extent()).toMatchObject({ first: trimmed + 1, last: count });
      expect(upgraded.append(Uint8Array.of(7), undefined)).toBe(count + 1);
      expect(upgraded.pragmas["journal_mode"]).toBe("wal");
    }
    f(0, 0, 0);
    f(5, 3, 2);
    f(5, 5, 5);
  });

  it("marks the file as ours", () => {
    const dir = makeDataDir();
    openStore(dir, tiers).close();
    const db = openForReading(dir);
    onTestFinished(() => void db.close());
    expect(db.pragma("application_id", { simple: true })).toBe(applicationId);
    expect(Buffer.from(applicationId.toString(16), "hex").toString()).toBe("tide");
  });
});

describe("the aggregates view", () => {
  it("can be read by a person with a shell", () => {
    const dir = makeDataDir();
    const { store } = openSqlite(tiers, dir);
    asHistory(store);
    const bytes = series(2, 1, "bytes", { kind: "counter", unit: "By" });
    store.append(undefined, deviceStep(1, "pump", [1]));
    store.append(undefined, step({ series: [bytes] }));
    const startMs = Date.UTC(2026, 0, 31, 12);
    commitSamples(store, [
      { series: 1, timeMs: startMs + 10_001, value: 3 },
      { series: 1, timeMs: startMs + 10_002, value: 1.5 },
      { series: 1, timeMs: startMs + 19_999, value: 6 },
      { series: 2, timeMs: -1, value: -2 },
    ]);

    const db = openForReading(dir);
    onTestFinished(() => void db.close());
    const pump = { device: "pump", metric: "m0", kind: "gauge", unit: "1" };
    const gauge = { increase: null, increase_approximate: 0 };
    const values = { count: 3, sum: 10.5, mean: 3.5, variance: 3.5, min: 1.5, max: 6, first: 3, last: 6, ...gauge };
    const before1970 = { device: "pump", metric: "bytes", kind: "counter", unit: "By" };
    const single = { count: 1, sum: -2, mean: -2, variance: 0, min: -2, max: -2, first: -2, last: -2, ...gauge };
    expect(db.prepare("SELECT * FROM aggregates ORDER BY tier_seconds, window_start").all()).toEqual([
      { ...before1970, tier_seconds: 10, window_start: "1969-12-31T23:59:50Z", ...single },
      { ...pump, tier_seconds: 10, window_start: "2026-01-31T12:00:10Z", ...values },
      { ...before1970, tier_seconds: 60, window_start: "1969-12-31T23:59:00Z", ...single },
      { ...pump, tier_seconds: 60, window_start: "2026-01-31T12:00:00Z", ...values },
    ]);
  });
});
