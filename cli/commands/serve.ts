import type { Command } from "@commander-js/extra-typings";
import { defaultTiers } from "../../lib/aggregate/tiers.ts";
import { accessOf, accessSetting } from "../access-file.ts";
import { filesCheckMs } from "../file-follower.ts";
import { aborted, untilInterrupted } from "../interrupt.ts";
import { hostPort, jsonSetting, setting } from "../options.ts";
import {
  deviceRateSetting,
  deviceSeriesMaxSetting,
  futureMaxSetting,
  quotasOf,
  seriesMaxSetting,
} from "../quota-options.ts";
import { keepRawSetting } from "../raw-options.ts";
import { receiveWindowSetting } from "../receive-window.ts";
import { TidemarkServer } from "../server.ts";
import { log, printJson, printLine } from "../terminal.ts";
import { keptTiers, latenessSetting, retentionSetting, tiersSetting } from "../tier-options.ts";
import {
  checkPlaintext,
  clientCaSetting,
  followTlsFiles,
  insecureSetting,
  readTlsFiles,
  tlsCertSetting,
  tlsFilesOf,
  tlsKeySetting,
} from "../tls-files.ts";

export const dataSetting = () => setting("--data <dir>", "directory of the database").default("./data");
export const grpcSetting = () =>
  setting("--grpc <host:port>", "where to serve gRPC; port 0 takes a free one")
    .argParser(hostPort("--grpc"))
    .default("127.0.0.1:50051");

export function addServe(program: Command): void {
  program
    .command("serve")
    .description("run the server: ingest and queries over gRPC, aggregates in SQLite")
    .addOption(dataSetting())
    .addOption(grpcSetting())
    .addOption(tiersSetting())
    .addOption(retentionSetting())
    .addOption(latenessSetting())
    .addOption(keepRawSetting())
    .addOption(
      setting("--durability <what>", "what an ack survives: a power cut (fsync), or the end of the process")
        .choices(["fsync", "process"] as const)
        .default("fsync" as const),
    )
    .addOption(deviceSeriesMaxSetting())
    .addOption(seriesMaxSetting())
    .addOption(deviceRateSetting())
    .addOption(futureMaxSetting())
    .addOption(receiveWindowSetting())
    .addOption(tlsCertSetting())
    .addOption(tlsKeySetting())
    .addOption(clientCaSetting())
    .addOption(accessSetting())
    .addOption(insecureSetting())
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
  $ tidemark serve --durability process             # faster, and a power cut may lose what was acked
  $ tidemark serve --retention 10s=2d,1m=30d,1h=2y
  $ tidemark serve --keep-raw 1h,2GiB               # samples can be read back: see export
  $ tidemark serve --tiers 1m,1h,1d                 # chosen once: a database keeps its tiers
  $ tidemark serve --series-max 1000000 --device-rate off
  $ tidemark serve --grpc 127.0.0.1:0 --json        # {"event":"ready","grpc":"127.0.0.1:40321"}`,
    )
    .action(
      async ({
        data,
        grpc,
        tiers: widths = defaultTiers,
        retention,
        lateness,
        keepRaw,
        durability,
        receiveWindow,
        access: accessFile,
        insecure = false,
        fault,
        json,
        ...flags
      }) => {
        const tiers = keptTiers(widths, retention, lateness);
        const tlsFiles = tlsFilesOf(flags);
        const tls = tlsFiles && readTlsFiles(tlsFiles);
        const rules = accessFile === undefined ? undefined : accessOf(accessFile, log);
        if (tls === undefined) checkPlaintext(grpc, insecure, log);
        const interrupted = untilInterrupted();
        const server = await TidemarkServer.start({
          dataDir: data,
          grpc,
          tls: tls && { ...tls, clientsMayHaveNone: rules !== undefined },
          ...(rules !== undefined && { access: rules.access }),
          tiers,
          latenessMs: lateness,
          log,
          durability,
          quotas: quotasOf(flags),
          keepRaw,
          receiveWindowBytes: receiveWindow,
          fault,
        });
        const followed = [
          ...(tlsFiles && tls ? [followTlsFiles(tlsFiles, tls, log, (changed) => server.setTls(changed))] : []),
          ...(rules ? [rules.follower] : []),
        ];
        setInterval(() => followed.forEach((follower) => follower.check()), filesCheckMs).unref();
        if (json) printJson({ event: "ready", grpc: server.address });
        else printLine(`tidemark is ready: gRPC on ${server.address}, data in ${data}`);
        await Promise.race([aborted(interrupted), server.failed]);
        log.info("draining");
        await server.stop();
        if (json) printJson({ event: "stopped" });
        else printLine("tidemark has stopped: everything acked is on disk");
      },
    );
}
