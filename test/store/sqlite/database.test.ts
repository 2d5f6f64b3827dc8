import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { defaultTiers } from "../../../lib/aggregate/tiers.ts";
import { TelemetryError } from "../../../lib/base/errors.ts";
import { databaseFile, openForReading, openForWriting } from "../../../lib/store/sqlite/database.ts";
import { makeDataDir, openStore } from "./data-dir.ts";

describe("openForWriting", () => {
  it("makes the directory, and those above it", () => {
    const dir = join(makeDataDir(), "a", "b");
    openForWriting(dir, "fsync", defaultTiers).close();
    openForReading(dir).close();
  });

  it("refuses a file that is no database, names it, and leaves it as it is", () => {
    const dir = makeDataDir();
    const diary = "This is a diary. ".repeat(1_000);
    writeFileSync(databaseFile(dir), diary);
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const open = () => openStore(dir, defaultTiers);
      expect(open).toThrow(TelemetryError);
      expect(open).toThrow(`${databaseFile(dir)} is damaged: file is not a database`);
    }
    expect(readFileSync(databaseFile(dir), "utf8")).toBe(diary);
  });

  it("refuses a directory in the place of the database", () => {
    const dir = makeDataDir();
    mkdirSync(databaseFile(dir));
    expect(() => openForWriting(dir, "fsync", defaultTiers)).toThrow(`cannot open ${databaseFile(dir)}`);
  });
});

describe("openForReading", () => {
  it("refuses a directory without a database, names the file, and does not make one", () => {
    const dir = makeDataDir();
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const open = () => openForReading(dir);
      expect(open).toThrow(TelemetryError);
      expect(open).toThrow(expect.objectContaining({ reason: "STORE_UNREADABLE" }));
      expect(open).toThrow(`cannot open ${databaseFile(dir)}`);
    }
  });

  it("cannot write", () => {
    const dir = makeDataDir();
    openForWriting(dir, "fsync", defaultTiers).close();
    const db = openForReading(dir);
    onTestFinished(() => void db.close());
    expect(() => db.exec("CREATE TABLE t (a)")).toThrow("attempt to write a readonly database");
  });
});
