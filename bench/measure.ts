import { cpus } from "node:os";

/** One thing to measure: `units` samples, rows or calls per run. */
export interface Arm {
  readonly run: () => unknown;
  readonly units: number;
  /** Between rounds, and not measured: takes away what the runs have left. */
  readonly clear?: () => void;
}

/** Machine and versions: printed with every figure. */
export function printMachine(): void {
  const [cpu] = cpus();
  console.log(`${cpus().length} x ${cpu?.model.trim()}, Node ${process.versions.node}, ${new Date().toISOString()}`);
}

/** Runs an arm again and again for so long. @returns the nanoseconds that a unit took */
export function measure({ run, units, clear }: Arm, roundMs: number): number {
  const start = performance.now();
  let runs = 0;
  let elapsed = 0;
  do {
    run();
    runs += 1;
    elapsed = performance.now() - start;
  } while (elapsed < roundMs);
  clear?.();
  return (elapsed * 1e6) / (runs * units);
}
