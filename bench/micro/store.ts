import { join } from "node:path";
import { WindowSet } from "../../lib/aggregate/window-set.ts";
import type { WindowTable } from "../../lib/aggregate/window-table.ts";
import { stepRowsMax } from "../../lib/base/limits.ts";
import { Prng } from "../../lib/base/prng.ts";
import { openSqliteStore, type SqliteStore } from "../../lib/store/sqlite/sqlite-store.ts";
import type { Arm } from "../measure.ts";
import type { MicroSuite } from "./suite.ts";

const widthMs = 10_000;
const series = 250;
const startMs = Date.UTC(2026, 0, 15, 12);

/** Storing windows of a shard, as many in a commit as a step of the flusher has. */
export function* storeSuites(dir: string): Iterable<MicroSuite> {
  const stores = ["new", "again"].map((name) =>
    openSqliteStore({ dataDir: join(dir, name), tiers: [{ widthMs }], durability: "fsync" }),
  );
  try {
    const arms = {
      "new windows": commitArm(stores[0], stepRowsMax),
      "windows that are there": commitArm(stores[1], 0),
    };
    yield { name: `store ${stepRowsMax} windows of 10 samples`, unit: "row", arms };
  } finally {
    for (const store of stores) store.close();
  }
}

/** @param step by how many windows each commit is later than the one before */
function commitArm(store: SqliteStore, step: number): Arm {
  const table = windowsOf();
  const laterMs = (step / series) * widthMs;
  const commit = () => {
    store.commit(0, store.position, [{ widthMs, table }]);
    for (let i = 0; i < table.length; i += 1) table.starts[i] += laterMs;
  };
  return { run: commit, units: table.length, clear: () => store.checkpoint() };
}

function windowsOf(): WindowTable {
  const prng = new Prng(1, "store");
  const set = new WindowSet([widthMs]);
  const times = { timeStart: 0, timeEnd: 10, valueStart: 0, counter: false, watermarkMs: startMs, isPlain: true };
  for (let i = 0; i < stepRowsMax; i += 1) {
    const from = startMs + Math.floor(i / series) * widthMs;
    const timesMs = Float64Array.from({ length: 10 }, (_, at) => from + at * 1_000);
    const values = Float64Array.from({ length: 10 }, () => 20 + prng.normal());
    set.add({ ...times, series: 1 + (i % series), timesMs, values });
  }
  return set.tiers[0].table;
}
