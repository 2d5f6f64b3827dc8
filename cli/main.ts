import { readFileSync } from "node:fs";
import { Command } from "@commander-js/extra-typings";
import { errorMessage, TelemetryError } from "../lib/base/errors.ts";
import { addAccess } from "./commands/access.ts";
import { addBackup } from "./commands/backup.ts";
import { addBench } from "./commands/bench.ts";
import { addCerts } from "./commands/certs.ts";
import { addDemo } from "./commands/demo.ts";
import { addDevices } from "./commands/devices.ts";
import { addExport } from "./commands/export.ts";
import { addLoad } from "./commands/load.ts";
import { addMetrics } from "./commands/metrics.ts";
import { addQuery } from "./commands/query.ts";
import { addReplay } from "./commands/replay.ts";
import { addReset } from "./commands/reset.ts";
import { addServe } from "./commands/serve.ts";
import { addSimulate } from "./commands/simulate.ts";
import { addStatus } from "./commands/status.ts";
import { addVerify } from "./commands/verify.ts";
import { addWatch } from "./commands/watch.ts";
import { exitCode, exitCodeOf, exitCodesHelp } from "./exit.ts";
import { applyConfigFile, applyOffSwitches, setting } from "./options.ts";

// They are for developers: grpc-js names servers by their IP addresses, which Node will ignore one day.
process.noDeprecation = true;

// A reader that has seen enough (`| head`) is not an error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? exitCode.ok : exitCode.failed);
});

const program = new Command("tidemark")
  .description(
    "streaming telemetry for fleets of devices: gRPC in, exactly-once aggregates in SQLite, live streams out",
  )
  .version(version(), "-V, --version")
  .addOption(setting("--config <file>", "JSON file with a section of flags per command"))
  .showHelpAfterError("(--help tells more)")
  .exitOverride(({ exitCode: code }) => process.exit(code === 0 ? exitCode.ok : exitCode.usage))
  .addHelpText(
    "after",
    `
Every flag can also be set in the environment (--batch-samples as TIDEMARK_BATCH_SAMPLES) and in the
configuration file ({"simulate": {"batch-samples": 100}}); flags come first, then the environment, then the file.
Results go to standard output, everything else to standard error. NO_COLOR is respected.
${exitCodesHelp}

Examples:
  $ tidemark demo
  $ tidemark serve --data ./data
  $ tidemark simulate --devices 20 --duration 30s
  $ tidemark query --device sim-0001 --from now-5m --tier 10s`,
  );

const commands = [
  addDemo,
  addServe,
  addSimulate,
  addReplay,
  addLoad,
  addBench,
  addQuery,
  addExport,
  addVerify,
  addWatch,
  addStatus,
  addBackup,
  addReset,
  addDevices,
  addMetrics,
  addCerts,
  addAccess,
];
for (const add of commands) add(program as unknown as Command);

program.hook("preAction", (_, command) => {
  const { config } = program.opts();
  applyOffSwitches(command as unknown as Command);
  if (config !== undefined)
    applyConfigFile(config, command as unknown as Command, leavesOf(program.commands as unknown as Command[]));
});

try {
  await program.parseAsync();
} catch (error) {
  // An error that is not ours is a bug, and its stack is what helps.
  const text = error instanceof TelemetryError || !(error instanceof Error) ? errorMessage(error) : error.stack;
  process.stderr.write(`tidemark: error: ${text}\n`);
  process.exit(exitCodeOf(error));
}

/** Commands that do something: `devices list`, not `devices`. */
function leavesOf(commands: readonly Command[]): Command[] {
  return commands.flatMap((command) => (command.commands.length === 0 ? command : (command.commands as Command[])));
}

function version(): string {
  const path = new URL(import.meta.url.endsWith(".ts") ? "../package.json" : "../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
}
