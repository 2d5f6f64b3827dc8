import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { AckedPosition, readAckedPosition } from "../../../lib/store/sqlite/acked-position.ts";
import { step } from "../steps.ts";
import { makeDataDir, openStore } from "./data-dir.ts";

const name = "0123456789abcdef".repeat(2);

function written(dir: string, ...positions: readonly number[]): void {
  const acked = new AckedPosition(dir, name);
  for (const position of positions) acked.write(position);
  acked.close();
}

describe("AckedPosition", () => {
  it("is read as it was written last", () => {
    const dir = makeDataDir();
    written(dir, 1, Number.MAX_SAFE_INTEGER, 7);
    expect(readAckedPosition(dir, name)).toBe(7);
    written(dir, Number.MAX_SAFE_INTEGER);
    expect(readAckedPosition(dir, name)).toBe(Number.MAX_SAFE_INTEGER);
  });

  it("is 0 where it is not known, or of another database", () => {
    const dir = makeDataDir();
    expect(readAckedPosition(dir, name)).toBe(0);
    written(dir, 7);
    expect(readAckedPosition(dir, "f".repeat(32))).toBe(0);
    truncateSync(join(dir, "acked"), 39);
    expect(readAckedPosition(dir, name)).toBe(0);
    writeFileSync(join(dir, "acked"), "");
    expect(readAckedPosition(dir, name)).toBe(0);
  });

  it("is that of the latest group whenever an append has returned, and when the store has closed", () => {
    const dir = makeDataDir();
    const store = openStore(dir);
    const { incarnation } = store;
    for (const position of [1, 2, 3]) {
      store.append(Uint8Array.of(1), step({}));
      expect(readAckedPosition(dir, incarnation)).toBe(position);
    }
    store.close();
    openStore(dir).close();
    expect(readAckedPosition(dir, incarnation)).toBe(3);
    expect(readFileSync(join(dir, "acked"))).toHaveLength(40);
  });

  it("is not moved by an append that failed", () => {
    const dir = makeDataDir();
    const store = openStore(dir);
    store.append(Uint8Array.of(1), step({ handles: [[1, 1, 1]] }));
    expect(() => store.append(Uint8Array.of(2), step({ handles: [[1, 1, 1]] }))).toThrow("UNIQUE");
    expect(readAckedPosition(dir, store.incarnation)).toBe(1);
    store.close();
  });
});
