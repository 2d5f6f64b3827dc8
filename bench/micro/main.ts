import { type MicroName, runMicro } from "./run.ts";

/** One micro benchmark, in a process of its own: it sends its trials to who has forked it, and ends. */
const name = JSON.parse(process.argv[2] ?? '""') as MicroName;
process.on("disconnect", () => process.exit(1));
process.send?.(await runMicro(name), () => process.disconnect());
