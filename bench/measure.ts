import { cpus } from "node:os";

/** One thing to measure: `units` samples, rows or calls per run. */
export interface Arm {
  readonly run: () => unknown;
  readonly units: number;
}

const roundMs = 200;
const rounds = 7;

/** Machine and versions: printed with every figure. */
export function printMachine(): void {
  const [cpu] = cpus();
  console.log(`${cpus().length} x ${cpu?.model.trim()}, Node ${process.versions.node}, ${new Date().toISOString()}`);
}

/** Runs the arms and prints the median rate of each, in millions per second, and its ratio to the first. */
export function compare(arms: Readonly<Record<string, Arm>>): void {
  print(arms, (rate) => `${(rate / 1e6).toPrecision(3).padStart(8)} M/s`);
}

/** As `compare`, with the time of each unit. */
export function compareTimes(arms: Readonly<Record<string, Arm>>): void {
  print(arms, (rate) => `${(1e9 / rate).toPrecision(3).padStart(8)} ns`);
}

/**
 * Runs the arms in turn (A B C A B C ...), each for `roundMs` a round, the first round thrown away, and prints the
 * median of each.
 */
function print(arms: Readonly<Record<string, Arm>>, format: (rate: number) => string): void {
  const rates = new Map(Object.keys(arms).map((name) => [name, [] as number[]]));
  for (let round = 0; round <= rounds; round += 1) {
    for (const [name, arm] of Object.entries(arms)) {
      const rate = measure(arm);
      if (round > 0) rates.get(name)?.push(rate);
    }
  }
  let first: number | undefined;
  for (const [name, each] of rates) {
    const median = each.sort((a, b) => a - b)[Math.floor(each.length / 2)];
    first ??= median;
    console.log(`  ${name.padEnd(24)} ${format(median)}   x ${(median / first).toPrecision(3)}`);
  }
}

function measure({ run, units }: Arm): number {
  const start = performance.now();
  let runs = 0;
  let elapsed = 0;
  while (elapsed < roundMs) {
    run();
    runs += 1;
    elapsed = performance.now() - start;
  }
  return (runs * units * 1_000) / elapsed;
}
