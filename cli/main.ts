import { Command } from "@commander-js/extra-typings";
import { errorMessage, TelemetryError } from "../lib/base/errors.ts";
import { exitCode, exitCodeOf, exitCodesHelp, remedyOf } from "./exit.ts";
import { applyConfigFile, applyOffSwitches, setting } from "./options.ts";
import { version } from "./version.ts";

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

/** In the order of `--help`. To load them all takes longer than most of them do. */
const commands: Readonly<Record<string, () => Promise<(program: Command) => void>>> = {
  demo: async () => (await import("./commands/demo.ts")).addDemo,
  serve: async () => (await import("./commands/serve.ts")).addServe,
  simulate: async () => (await import("./commands/simulate.ts")).addSimulate,
  replay: async () => (await import("./commands/replay.ts")).addReplay,
  load: async () => (await import("./commands/load.ts")).addLoad,
  bench: async () => (await import("./commands/bench.ts")).addBench,
  query: async () => (await import("./commands/query.ts")).addQuery,
  export: async () => (await import("./commands/export.ts")).addExport,
  verify: async () => (await import("./commands/verify.ts")).addVerify,
  watch: async () => (await import("./commands/watch.ts")).addWatch,
  status: async () => (await import("./commands/status.ts")).addStatus,
  health: async () => (await import("./commands/health.ts")).addHealth,
  doctor: async () => (await import("./commands/doctor.ts")).addDoctor,
  config: async () => (await import("./commands/config.ts")).addConfig,
  backup: async () => (await import("./commands/backup.ts")).addBackup,
  reset: async () => (await import("./commands/reset.ts")).addReset,
  devices: async () => (await import("./commands/devices.ts")).addDevices,
  metrics: async () => (await import("./commands/metrics.ts")).addMetrics,
  certs: async () => (await import("./commands/certs.ts")).addCerts,
  access: async () => (await import("./commands/access.ts")).addAccess,
};
for (const name of wantedCommands(process.argv.slice(2))) (await commands[name]())(program as unknown as Command);

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
  process.stderr.write(`tidemark: error: ${text}${remedyOf(error)}\n`);
  process.exit(exitCodeOf(error));
}

/** Commands that do something: `devices list`, not `devices`. */
function leavesOf(commands: readonly Command[]): Command[] {
  return commands.flatMap((command) => (command.commands.length === 0 ? command : (command.commands as Command[])));
}

/** The one that is run, where nothing but its own flags has to be known. */
function wantedCommands(args: readonly string[]): string[] {
  const all = Object.keys(commands);
  const [name = ""] = args;
  // A file of settings is held against all of them.
  const hasFile = process.env["TIDEMARK_CONFIG"] !== undefined || args.some((arg) => arg.startsWith("--config"));
  return all.includes(name) && !hasFile ? [name] : all;
}
