import { pathToFileURL } from "node:url";
import { signalsFor } from "../../device-sim/signal.ts";
import { Prng } from "../../lib/base/prng.ts";

/**
 * Makes `recorded.csv`, the small recording that every clone has, from the simulator's own signals:
 *
 *     node test/data/record.ts > test/data/recorded.csv
 *
 * As real recordings do, it has times that come twice, one step back in time, and cells without a value.
 */
const rows = 500;
const startMs = Date.UTC(2026, 2, 3, 21, 40);
const intervalMs = 5 * 60_000;
const names = ["temperature", "vibration", "packets"];
/** Rows with the time of the row before them. */
const repeated = [17, 18, 130, 131, 300, 424];
/** From here on the clock is an hour behind, as where summer time ends. */
const stepBackRow = 260;
const stepBackMs = 3_600_000;

export function record(): string {
  const signals = signalsFor(10).filter(({ name }) => names.includes(name));
  const series = signals.map((signal) => signal.start(new Prng(20_260_303, signal.name)));
  const absent = new Prng(20_260_303, "absent cells");
  const lines = [["timestamp", ...signals.map(({ name }) => name)].join(",")];
  let timeMs = startMs - intervalMs;
  for (let row = 0; row < rows; row += 1) {
    if (!repeated.includes(row)) timeMs += intervalMs;
    if (row === stepBackRow) timeMs -= stepBackMs;
    const cells = series.map((next) => String(Math.round(next(timeMs) * 1e6) / 1e6));
    if (absent.uniform() < 0.02) cells[absent.below(cells.length)] = "";
    lines.push([new Date(timeMs).toISOString().slice(0, 19).replace("T", " "), ...cells].join(","));
  }
  return `${lines.join("\n")}\n`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) process.stdout.write(record());
