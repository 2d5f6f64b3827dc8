import { type MicroName, runMicro } from "./run.ts";

/**
 * One micro benchmark, in a process of its own: it sends its trials to who has forked it, and ends. Its first argument
 * is JSON.
 */
export interface MicroPlan {
  readonly name: MicroName;
  /** Where it writes: an empty directory, which somebody else deletes. */
  readonly dir: string;
}

const { name, dir } = JSON.parse(process.argv[2] ?? "") as MicroPlan;
// A Ctrl-C on the terminal reaches the whole group of processes: whoever has started this one says when it is to end.
process.on("SIGINT", () => {});
process.on("disconnect", () => process.exit(1));
process.send?.(await runMicro(name, { dir }), () => process.disconnect());
