import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { measure } from "../measure.ts";
import type { MicroTrial } from "../results.ts";
import type { MicroSuite, MicroSuites } from "./suite.ts";

/** Loaded when they are run: what one needs, the others can do without. */
const suites = {
  codec: async () => (await import("./codec.ts")).codecSuites,
  frame: async () => (await import("./frame.ts")).frameSuites,
  journal: async () => (await import("./journal.ts")).journalSuites,
  sketch: async () => (await import("./sketch.ts")).sketchSuites,
  store: async () => (await import("./store.ts")).storeSuites,
  windows: async () => (await import("./windows.ts")).windowSuites,
} satisfies Record<string, () => Promise<MicroSuites>>;

export type MicroName = keyof typeof suites;
export const microNames = Object.keys(suites) as MicroName[];

export interface MicroOptions {
  /** That count; one more is thrown away. */
  readonly rounds?: number;
  /** Of one arm in one round. */
  readonly roundMs?: number;
  /** Where files are written, in a directory that is deleted again: what fsync costs depends on it. */
  readonly dir?: string;
}

/**
 * Runs the arms of each suite in turn (A B C A B C ...), the first round thrown away. It keeps the thread busy for
 * minutes, and wants a process of its own.
 */
export async function runMicro(name: MicroName, options: MicroOptions = {}): Promise<MicroTrial[]> {
  const { rounds = 7, roundMs = 200, dir = tmpdir() } = options;
  const suitesOf: MicroSuites = await suites[name]();
  const scratch = mkdtempSync(join(dir, "tidemark-micro-"));
  try {
    const trials: MicroTrial[] = [];
    for (const suite of suitesOf(scratch)) trials.push(...runSuite(name, suite, rounds, roundMs));
    return trials;
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

function runSuite(name: MicroName, { arms, ...suite }: MicroSuite, rounds: number, roundMs: number): MicroTrial[] {
  const units = [{ unit: suite.unit, count: 1 }, ...(suite.of === undefined ? [] : [suite.of])];
  const trials: MicroTrial[] = [];
  for (let round = -1; round < rounds; round += 1) {
    for (const [arm, each] of Object.entries(arms)) {
      const nanoseconds = measure(each, roundMs);
      if (round < 0) continue;
      for (const { unit, count } of units) {
        trials.push({ suite: `${name}: ${suite.name}`, arm, round, unit, nanosecondsPerUnit: nanoseconds / count });
      }
    }
  }
  return trials;
}
