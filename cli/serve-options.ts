import type { Command, OptionValues } from "@commander-js/extra-typings";
import { defaultTiers, type Tier } from "../lib/aggregate/tiers.ts";
import type { Log, LogLevel } from "../lib/base/log.ts";
import type { ServerTls } from "../lib/rpc/tls.ts";
import type { RawRetention } from "../lib/store/raw-retention.ts";
import type { Durability } from "../lib/store/store.ts";
import { accessOf, accessSetting, type FollowedAccess } from "./access-file.ts";
import { connectionAgeMaxSetting, connectionIdleMaxSetting } from "./connection-options.ts";
import { logFormatSetting, logLevelSetting } from "./log-options.ts";
import { hostPort, setting } from "./options.ts";
import {
  deviceRateSetting,
  deviceSeriesMaxSetting,
  futureMaxSetting,
  principalRateSetting,
  type QuotaFlags,
  quotasOf,
  seriesMaxSetting,
} from "./quota-options.ts";
import { keepRawSetting } from "./raw-options.ts";
import { receiveWindowSetting } from "./receive-window.ts";
import type { ServerOptions } from "./server.ts";
import { keptTiers, latenessSetting, type Retention, retentionSetting, tiersSetting } from "./tier-options.ts";
import {
  checkPlaintext,
  clientCaSetting,
  insecureSetting,
  readTlsFiles,
  type TlsFiles,
  type TlsFlags,
  tlsCertSetting,
  tlsFilesOf,
  tlsKeySetting,
} from "./tls-files.ts";

export const dataSetting = () => setting("--data <dir>", "directory of the database").default("./data");
export const grpcSetting = () =>
  setting("--grpc <host:port>", "where to serve gRPC; port 0 takes a free one")
    .argParser(hostPort("--grpc"))
    .default("127.0.0.1:50051");
export const httpSetting = () =>
  setting(
    "--http <host:port>",
    "where to serve HTTP: the dashboard, the API (/api/), /metrics, /livez, /readyz; port 0 takes a free one",
  ).argParser(hostPort("--http"));
const durabilitySetting = () =>
  setting("--durability <what>", "what an ack survives: a power cut (fsync), or the end of the process")
    .choices(["fsync", "process"] as const)
    .default("fsync" as const);

/** The flags of a server: of what runs one, and of what looks at how it would run. */
export function withServeFlags<Arguments extends unknown[], Options extends OptionValues>(
  command: Command<Arguments, Options>,
) {
  return command
    .addOption(dataSetting())
    .addOption(grpcSetting())
    .addOption(httpSetting())
    .addOption(tiersSetting())
    .addOption(retentionSetting())
    .addOption(latenessSetting())
    .addOption(keepRawSetting())
    .addOption(durabilitySetting())
    .addOption(deviceSeriesMaxSetting())
    .addOption(seriesMaxSetting())
    .addOption(deviceRateSetting())
    .addOption(principalRateSetting())
    .addOption(futureMaxSetting())
    .addOption(receiveWindowSetting())
    .addOption(tlsCertSetting())
    .addOption(tlsKeySetting())
    .addOption(clientCaSetting())
    .addOption(accessSetting())
    .addOption(insecureSetting())
    .addOption(connectionAgeMaxSetting())
    .addOption(connectionIdleMaxSetting())
    .addOption(logFormatSetting())
    .addOption(logLevelSetting());
}

/** What commander makes of them. */
export interface ServeFlags extends QuotaFlags, TlsFlags {
  readonly data: string;
  readonly grpc: string;
  readonly http?: string | undefined;
  readonly tiers?: readonly Tier[] | undefined;
  readonly retention?: Retention | undefined;
  readonly lateness: number;
  readonly keepRaw?: RawRetention | undefined;
  readonly durability: Durability;
  readonly receiveWindow: number;
  readonly access?: string | undefined;
  readonly insecure?: true | undefined;
  readonly connectionAgeMax: number;
  readonly connectionIdleMax: number;
  readonly logFormat: "text" | "json";
  readonly logLevel: LogLevel;
}

/** A server as its flags want it, with the files that they name read. */
export interface ServeSettings {
  readonly options: ServerOptions;
  readonly tls: { readonly files: TlsFiles; readonly read: ServerTls } | undefined;
  readonly rules: FollowedAccess | undefined;
}

/** @throws TelemetryError that names the flag that cannot be used */
export function readServeFlags(flags: ServeFlags, log: Log): ServeSettings {
  const { data, grpc, http, tiers = defaultTiers, retention, lateness, access, insecure = false } = flags;
  const files = tlsFilesOf(flags);
  const tls = files && { files, read: readTlsFiles(files) };
  const rules = access === undefined ? undefined : accessOf(access, log);
  if (tls === undefined) {
    checkPlaintext("--grpc", grpc, insecure, log);
    if (http !== undefined) checkPlaintext("--http", http, insecure, log);
  }
  const options: ServerOptions = {
    dataDir: data,
    grpc,
    http,
    tls: tls && { ...tls.read, clientsMayHaveNone: rules !== undefined },
    ...(rules !== undefined && { access: rules.access }),
    tiers: keptTiers(tiers, retention, lateness),
    latenessMs: lateness,
    log,
    durability: flags.durability,
    quotas: quotasOf(flags),
    keepRaw: flags.keepRaw,
    receiveWindowBytes: flags.receiveWindow,
    connectionTimes: { ageMsMax: flags.connectionAgeMax, idleMsMax: flags.connectionIdleMax },
  };
  return { options, tls, rules };
}
