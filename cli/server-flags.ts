import type { Command, OptionValues } from "@commander-js/extra-typings";
import { systemClock } from "../lib/base/clock.ts";
import { invalidField } from "../lib/base/errors.ts";
import type { ChannelOptions } from "../lib/rpc/client.ts";
import type { CallReport } from "../lib/rpc/client-interceptors.ts";
import { type ClientTls, checkAuthorities, checkPair } from "../lib/rpc/tls.ts";
import { hostPorts, isLoopback, oneHostPort, readText, secretOf, setting } from "./options.ts";
import { log } from "./terminal.ts";

/** Which server a command talks to, and how. */
export interface ServerFlags {
  readonly address: string;
  readonly tls?: true | undefined;
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly serverName?: string | undefined;
  readonly token?: string | undefined;
  readonly user?: string | undefined;
  readonly insecure?: true | undefined;
  readonly gzip?: true | undefined;
  readonly logCalls?: true | undefined;
}

/** A server to connect to. */
export interface ServerAt {
  /** `HOST:PORT`, or several for commands that read: `HOST:PORT,HOST:PORT`. */
  readonly address: string;
  readonly options: ChannelOptions;
}

/** The flags of every command that talks to a server. @param several whether it may talk to more than one */
export function withServerFlags<Arguments extends unknown[], Options extends OptionValues>(
  command: Command<Arguments, Options>,
  { several = false } = {},
) {
  return command
    .addOption(
      setting("--address <host:port>", several ? "the server, or several by commas: calls take turns" : "the server")
        .argParser(several ? hostPorts("--address") : oneHostPort("--address"))
        .default("127.0.0.1:50051"),
    )
    .addOption(setting("--tls", "encrypt, and hold the server's certificate against known authorities"))
    .addOption(
      setting("--ca <file>", "certificates of the authorities that the server's is held against; implies --tls"),
    )
    .addOption(setting("--cert <file>", "the certificate to show to the server; implies --tls"))
    .addOption(setting("--key <file>", "the private key of --cert"))
    .addOption(
      setting("--server-name <name>", "the name that the server's certificate has, if not that of its address"),
    )
    .addOption(setting("--token <token>", "says who calls; better in TIDEMARK_TOKEN or TIDEMARK_TOKEN_FILE"))
    .addOption(
      setting("--user <name>", "says who calls, with the password of TIDEMARK_PASSWORD or TIDEMARK_PASSWORD_FILE"),
    )
    .addOption(setting("--insecure", "send token or password in clear text also to other machines"))
    .addOption(setting("--log-calls", "log each call with its status and time to standard error"));
}

/** @throws TelemetryError that names the flag that cannot be used */
export function serverAt(flags: ServerFlags): ServerAt {
  const { address, tls, ca, cert, key, serverName, token, user, insecure, gzip, logCalls } = flags;
  if ((cert === undefined) !== (key === undefined)) {
    throw invalidField(
      cert === undefined ? "--cert" : "--key",
      "is missing",
      "a certificate and its key are given together",
    );
  }
  const isTls = tls === true || ca !== undefined || cert !== undefined || serverName !== undefined;
  const authorization = authorizationOf(token ?? secretOf("TIDEMARK_TOKEN"), user);
  if (authorization !== undefined && !isTls && !address.split(",").every(isLoopback) && insecure !== true) {
    throw invalidField(
      "--address",
      `is ${address}, and its way is not encrypted: whoever is on it would read the ${user === undefined ? "token" : "password"}`,
      "add --tls or --ca, or say --insecure",
    );
  }
  return {
    address,
    options: {
      authorization,
      ...(gzip && { gzip }),
      ...(logCalls && { onCall: logCall }),
      ...(isTls && { tls: clientTls({ ca, cert, key, serverName }) }),
    },
  };
}

function logCall({ path, status, durationMs }: CallReport): void {
  log.info(`call of ${path.slice(1)}: ${status} after ${durationMs.toFixed(1)} ms`);
}

function authorizationOf(token: string | undefined, user: string | undefined): string | undefined {
  if (user === undefined) return token === undefined ? undefined : `Bearer ${token}`;
  if (token !== undefined) throw invalidField("--user", "is given beside a token", "give one of them");
  const password = secretOf("TIDEMARK_PASSWORD");
  if (password === undefined) {
    throw invalidField("--user", "has no password", "set TIDEMARK_PASSWORD, or TIDEMARK_PASSWORD_FILE");
  }
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}

function clientTls({ ca, cert, key, serverName }: Omit<ServerFlags, "address" | "tls">): ClientTls {
  const authorities = ca === undefined ? undefined : readText(ca, "--ca");
  if (authorities !== undefined) checkAuthorities(authorities, `--ca ${ca}`);
  if (cert === undefined || key === undefined) return { ca: authorities, serverName };
  const pair = { cert: readText(cert, "--cert"), key: readText(key, "--key") };
  checkPair(pair, `--cert ${cert} with --key ${key}`, systemClock.nowMs());
  return { ca: authorities, pair, serverName };
}
