import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { defaultTiers } from "../../../lib/aggregate/tiers.ts";
import { TelemetryError } from "../../../lib/base/errors.ts";
import { lockDirectory } from "../../../lib/store/sqlite/directory-lock.ts";
import { deviceStep } from "../steps.ts";
import { makeDataDir, openSqlite, openStore } from "./data-dir.ts";

describe("lockDirectory", () => {
  it("keeps a second writer out, names the directory, and does not disturb the first", () => {
    const dir = makeDataDir();
    const { store } = openSqlite(defaultTiers, dir);
    const second = () => openStore(dir, defaultTiers);
    expect(second).toThrow(TelemetryError);
    expect(second).toThrow(expect.objectContaining({ status: "FAILED_PRECONDITION", reason: "DATA_DIRECTORY_IN_USE" }));
    expect(second).toThrow(`${dir} is in use by another tidemark server`);
    expect(store.append(Uint8Array.of(1), deviceStep(1, "pump", []))).toBe(1);
  });

  it("names the process that holds the directory now, not one that held it before", () => {
    const dir = makeDataDir();
    writeFileSync(join(dir, "holder"), "process 4194305\n");
    const lock = lockDirectory(dir);
    onTestFinished(() => lock.release());
    const second = () => openStore(dir, defaultTiers);
    expect(second).toThrow(`in use by another tidemark server, process ${process.pid}; stop that one, or name another`);
  });

  it("lets the next one in when it is released", () => {
    const dir = makeDataDir();
    for (let i = 0; i < 3; i += 1) lockDirectory(dir).release();
    openStore(dir, defaultTiers).close();
    lockDirectory(dir).release();
  });

  it("locks each directory by itself, and makes it if there is none", () => {
    const dir = makeDataDir();
    const locks = ["a", "b/c"].map((name) => lockDirectory(join(dir, name)));
    for (const lock of locks) lock.release();
  });
});
