import { describe, expect, it, onTestFinished } from "vitest";
import { defaultTiers, type Tier } from "../../../lib/aggregate/tiers.ts";
import { openForWriting } from "../../../lib/store/sqlite/database.ts";
import { openSqliteStore, SqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import type { Durability } from "../../../lib/store/store.ts";
import { asHistory, commitSamples, deviceStep, sampleSet, session, step } from "../steps.ts";
import { makeDataDir } from "./data-dir.ts";

const synchronous = { process: 1, fsync: 2 } as const satisfies Record<Durability, number>;
const tiers: readonly Tier[] = [{ widthMs: 10_000, retentionMs: 20_000 }, { widthMs: 60_000 }];

describe("the durability of a SQLite store", () => {
  for (const durability of ["fsync", "process"] as const) {
    it(`is read back from the database: ${durability}`, () => {
      const dir = makeDataDir();
      // better-sqlite3 lowers `synchronous` by itself where it finds WAL: open what is there already.
      for (const _ of ["new", "again"]) {
        const db = openForWriting(dir, durability, defaultTiers);
        expect(db.pragma("journal_mode", { simple: true })).toBe("wal");
        expect(db.pragma("synchronous", { simple: true })).toBe(synchronous[durability]);
        db.close();
        const store = openSqliteStore({ dataDir: dir, tiers: defaultTiers, durability });
        expect(store.durability).toBe(durability);
        store.close();
      }
    });

    it(`is what the database does, not what was asked for: ${durability}`, () => {
      const other = durability === "fsync" ? "process" : "fsync";
      const dataDir = makeDataDir();
      const db = openForWriting(dataDir, durability, tiers);
      const store = new SqliteStore(db, { dataDir, tiers, durability: other }, { release: () => {} });
      onTestFinished(() => store.close());
      expect(store.durability).toBe(durability);
    });

    it(`is the same for the next append, whatever was committed without it: ${durability}`, () => {
      const dataDir = makeDataDir();
      const db = openForWriting(dataDir, durability, tiers);
      const store = asHistory(new SqliteStore(db, { dataDir, tiers, durability }, { release: () => {} }));
      onTestFinished(() => store.close());
      const f = (what: string, run: () => void) => {
        run();
        expect(db.pragma("synchronous", { simple: true }), what).toBe(synchronous[durability]);
      };
      f("append", () => store.append(Uint8Array.of(1), deviceStep(1, "pump", [1])));
      f("commit", () => commitSamples(store, [{ series: 1, timeMs: 0, value: 1 }]));
      f("commitSessions", () => store.commitSessions([session(1, 1, { ackedSequence: 1 })]));
      f("prune", () => expect(store.prune(1_000_000, 10)).toBe(1));
      f("settle", () => store.settle(1));
      f("trim", () => expect(store.trim(0, 10)).toBe(1));
      f("checkpoint", () => store.checkpoint());
      f("a commit that fails", () => {
        const broken = sampleSet(store, [{ series: 1, timeMs: 0, value: 1 }]);
        broken.tiers[0].table.sums[0] = Number.NaN;
        expect(() => store.commit(0, 1, broken.tiers)).toThrow("NOT NULL");
      });
      f("an append that fails", () => {
        const handles = step({ handles: [1, 1].map((handle) => [1, handle, 1]) });
        expect(() => store.append(Uint8Array.of(1), handles)).toThrow("UNIQUE");
      });
    });
  }
});
