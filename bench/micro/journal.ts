import { join } from "node:path";
import { JournalRecords } from "../../lib/journal/journal-records.ts";
import { openSqliteStore, type SqliteStore } from "../../lib/store/sqlite/sqlite-store.ts";
import { encodeBatch } from "../../lib/wire/batch-encoder.ts";
import type { Arm } from "../measure.ts";
import type { MicroSuite } from "./suite.ts";

const nowMs = Date.UTC(2026, 0, 15, 12);
const batchSamples = 100;

/** Appending groups of batches of 100 samples to the journal, with fsync and without. */
export function* journalSuites(dir: string): Iterable<MicroSuite> {
  const stores = (["process", "fsync"] as const).map((durability) => ({
    arm: durability === "fsync" ? "with fsync" : "without fsync",
    store: openSqliteStore({ dataDir: join(dir, durability), tiers: [{ widthMs: 10_000 }], durability }),
  }));
  try {
    for (const kib of [1, 10, 100, 1_000]) {
      const { bytes, samples } = groupOf(kib * 1_024);
      const arms = stores.map(({ arm, store }) => [arm, appendArm(store, bytes)]);
      yield {
        name: `append ${kib} KiB`,
        unit: "group",
        of: { unit: "sample", count: samples },
        arms: Object.fromEntries(arms),
      };
    }
  } finally {
    for (const { store } of stores) store.close();
  }
}

function appendArm(store: SqliteStore, records: Uint8Array): Arm {
  const clear = () => {
    store.settle(store.position);
    while (store.trim(nowMs, Number.MAX_SAFE_INTEGER) > 0);
    store.checkpoint();
  };
  return { run: () => store.append(records, undefined), units: 1, clear };
}

/** As many whole batches as fit, one at least. */
function groupOf(bytesMax: number) {
  const records = new JournalRecords();
  let samples = 0;
  for (let sequence = 1, length = 0; ; sequence += 1) {
    const bytes = batchOf(sequence);
    length += bytes.length;
    if (length > bytesMax && samples > 0) break;
    const refused = { refused: 0, samplesLost: 0, batchesLost: 0 };
    records.add({ session: 1, sequence, counted: batchSamples, ...refused, watermarkMs: nowMs }, bytes);
    samples += batchSamples;
  }
  const bytes = records.take({ nowMs, keptFromMs: 0, latestMs: nowMs, latenessMs: 30_000 }) ?? new Uint8Array();
  return { bytes, samples };
}

function batchOf(sequence: number): Uint8Array {
  const metricHandles = Array.from({ length: 10 }, (_, i) => i + 1);
  const offsetsMs = Array.from({ length: batchSamples / 10 }, (_, i) => i * 1_000);
  const values = Float64Array.from({ length: batchSamples }, (_, i) => sequence + i * 1.1);
  return encodeBatch(1, sequence, [{ metricHandles, baseTimeMs: nowMs, offsetsMs, values }]);
}
