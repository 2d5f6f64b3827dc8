import type { Command } from "@commander-js/extra-typings";
import { filesCheckMs } from "../file-follower.ts";
import { aborted, untilInterrupted } from "../interrupt.ts";
import { logOf } from "../log-options.ts";
import { jsonSetting, setting } from "../options.ts";
import { readServeFlags, withServeFlags } from "../serve-options.ts";
import { TidemarkServer } from "../server.ts";
import { printJson, printLine } from "../terminal.ts";
import { followTlsFiles } from "../tls-files.ts";

export function addServe(program: Command): void {
  withServeFlags(
    program.command("serve").description("run the server: ingest and queries over gRPC, aggregates in SQLite"),
  )
    .addOption(setting("--fault <point:count>", "a fault on purpose, for tests").hideHelp())
    .addOption(jsonSetting())
    .addHelpText(
      "after",
      `
Prints one line when it is ready. Ctrl-C or SIGTERM settles and acks what was read, then ends with 0.

Examples:
  $ tidemark serve
  $ tidemark serve --data /var/lib/tidemark --grpc 0.0.0.0:50051 --tls-cert certs/server.crt --tls-key certs/server.key
  $ tidemark serve --access ./access.json            # who may do what: see access
  $ tidemark serve --http 127.0.0.1:8080             # /metrics for Prometheus, /livez and /readyz
  $ tidemark serve --durability process             # faster, and a power cut may lose what was acked
  $ tidemark serve --retention 10s=2d,1m=30d,1h=2y
  $ tidemark serve --keep-raw 1h,2GiB               # samples can be read back: see export
  $ tidemark serve --tiers 1m,1h,1d                 # chosen once: a database keeps its tiers
  $ tidemark serve --series-max 1000000 --device-rate off
  $ tidemark serve --grpc 127.0.0.1:0 --json        # {"event":"ready","grpc":"127.0.0.1:40321"}

What it would run with is told by config, and whether that can go well by doctor.`,
    )
    .action(async ({ fault, json, ...flags }) => {
      const log = await logOf(flags);
      const { options, tls, rules } = readServeFlags(flags, log);
      const interrupted = untilInterrupted();
      const server = await TidemarkServer.start({ ...options, fault });
      const followed = [
        ...(tls ? [followTlsFiles(tls.files, tls.read, log, (changed) => server.setTls(changed))] : []),
        ...(rules ? [rules.follower] : []),
      ];
      setInterval(() => followed.forEach((follower) => follower.check()), filesCheckMs).unref();
      const { address, httpAddress } = server;
      if (json) printJson({ event: "ready", grpc: address, http: httpAddress });
      else {
        const http = httpAddress === undefined ? "" : `HTTP on ${httpAddress}, `;
        printLine(`tidemark is ready: gRPC on ${address}, ${http}data in ${flags.data}`);
      }
      await Promise.race([aborted(interrupted), server.failed]);
      log.info("draining");
      await server.stop();
      if (json) printJson({ event: "stopped" });
      else printLine("tidemark has stopped: everything acked is on disk");
    });
}
