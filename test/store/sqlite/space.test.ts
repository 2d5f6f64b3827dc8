import { statSync } from "node:fs";
import { expect, it } from "vitest";
import type { Tier } from "../../../lib/aggregate/tiers.ts";
import { databaseFile } from "../../../lib/store/sqlite/database.ts";
import { asHistory, commitSamples, deviceStep } from "../steps.ts";
import { makeDataDir, openStore } from "./data-dir.ts";

const day = 86_400_000;
const tiers: readonly Tier[] = [{ widthMs: 10_000, retentionMs: day }];
const seriesIds = Array.from({ length: 200 }, (_, i) => i + 1);

it("the space of windows that are deleted is used again: a database that keeps a day does not grow after it", () => {
  const dir = makeDataDir();
  const sizes: number[] = [];
  for (let round = 0; round < 4; round += 1) {
    const store = asHistory(openStore(dir, tiers));
    if (round === 0) store.append(undefined, deviceStep(1, "pump", seriesIds));
    const startMs = 2 * round * day;
    const times = Array.from({ length: 50 }, (_, i) => startMs + i * 10_000);
    const samples = seriesIds.flatMap((series) => times.map((timeMs, i) => ({ series, timeMs, value: i })));
    while (store.prune(startMs, 1_000) > 0);
    commitSamples(store, samples);
    // Closing moves the log into the database.
    store.close();
    sizes.push(statSync(databaseFile(dir)).size);
  }
  const [first = 0, , , last] = sizes;
  expect(first).toBeGreaterThan(500_000);
  expect(last).toBeLessThan(1.1 * first);
});
