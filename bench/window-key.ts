import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { printMachine } from "./measure.ts";

/**
 * The order of the table of windows: by time, then series, or by series, then time. Writes 30 flushes of
 * 20,000 series and reads one series back. `node bench/window-key.ts`
 */
const seriesCount = 20_000;
const flushes = 30;
const keys = { "time, series": "start_ms, series", "series, time": "series, start_ms" };

printMachine();
console.log(`${flushes} flushes of ${seriesCount} series, then one series read back whole, 100 times`);
for (const [name, key] of [...Object.entries(keys), ...Object.entries(keys).reverse()]) {
  const dir = mkdtempSync(join(tmpdir(), "tidemark-bench-"));
  const file = join(dir, "windows.sqlite");
  const db = new Database(file);
  db.pragma("journal_mode = WAL");
  db.pragma("synchronous = FULL");
  db.exec(`CREATE TABLE windows (start_ms INTEGER NOT NULL, series INTEGER NOT NULL, count INTEGER NOT NULL,
    sum REAL NOT NULL, min REAL NOT NULL, max REAL NOT NULL, first REAL NOT NULL, first_time_ms INTEGER NOT NULL,
    last REAL NOT NULL, last_time_ms INTEGER NOT NULL, PRIMARY KEY (${key})) STRICT, WITHOUT ROWID`);
  const insert = db.prepare("INSERT INTO windows VALUES (?, ?, 60, ?, 1.5, 9.5, 2.5, ?, 3.5, ?)");
  let written = 0;
  const cpu = process.cpuUsage();
  const start = performance.now();
  for (let flush = 0; flush < flushes; flush += 1) {
    const at = 1_790_000_000_000 + flush * 60_000;
    db.transaction(() => {
      for (let series = 1; series <= seriesCount; series += 1) insert.run(at, series, series * 1.1, at, at + 59_000);
    })();
    written += statSync(`${file}-wal`).size;
    db.pragma("wal_checkpoint(TRUNCATE)");
  }
  const wallMs = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  const rows = flushes * seriesCount;
  const starts = db.prepare("SELECT DISTINCT start_ms FROM windows").pluck().all();
  const one = db.prepare("SELECT * FROM windows WHERE start_ms = ? AND series = ?").raw();
  const readStart = performance.now();
  for (let i = 0; i < 100; i += 1) for (const at of starts) one.get(at, 1 + i * 150);
  const readUs = ((performance.now() - readStart) * 1_000) / (100 * starts.length);
  console.log(
    `  (${name})  write ${((user + system) / rows).toFixed(2)} us CPU, ${((wallMs * 1_000) / rows).toFixed(2)} us wall, ` +
      `${(written / rows).toFixed(0)} bytes of log per row; read ${readUs.toFixed(2)} us per window`,
  );
  db.close();
  rmSync(dir, { recursive: true });
}
