import type { Command } from "@commander-js/extra-typings";
import { addCompare } from "./bench/compare.ts";
import { addRun } from "./bench/run.ts";

export function addBench(program: Command): void {
  const bench = program
    .command("bench")
    .description("protobuf over HTTP/2 against JSON over HTTP/1.1: run the benchmark, compare results")
    .addHelpText(
      "after",
      `
Without a command it runs: tidemark bench --quick is tidemark bench run --quick. tidemark bench run --help has the flags.

Examples:
  $ tidemark bench --quick                          # the headline and the waterfall, some 9 minutes
  $ tidemark bench --full --out ./results           # everything, one factor at a time: over 2 hours
  $ tidemark bench --scenario gzip --scenario tls
  $ tidemark bench --scenario micro-codec
  $ tidemark bench compare before/results.json after/results.json`,
    );
  for (const add of [addRun, addCompare]) add(bench as unknown as Command);
}
