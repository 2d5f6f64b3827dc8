import { expect, it } from "vitest";
import { deviceStep, step } from "../steps.ts";
import { makeDataDir, openSqlite } from "./data-dir.ts";

it("an append that failed has no position and nothing in the journal, and the next one takes its place", () => {
  const { store } = openSqlite(undefined, makeDataDir());
  store.append(Uint8Array.of(1), deviceStep(1, "pump", [1]));
  const twice = step({ handles: [1, 1].map((handle) => [1, handle + 1, 1]) });
  expect(() => store.append(Uint8Array.of(2), twice)).toThrow("UNIQUE");
  expect(store.position).toBe(1);
  expect(store.append(Uint8Array.of(3), step({}))).toBe(2);
  expect(Array.from(store.read(), ({ position, records }) => [position, records[0]])).toEqual([
    [1, 1],
    [2, 3],
  ]);
});
