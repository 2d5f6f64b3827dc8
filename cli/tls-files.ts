import { systemClock } from "../lib/base/clock.ts";
import { invalidField } from "../lib/base/errors.ts";
import type { Log } from "../lib/base/log.ts";
import { checkAuthorities, checkPair, type ServerTls } from "../lib/rpc/tls.ts";
import { FileFollower } from "./file-follower.ts";
import { isLoopback, readText, setting } from "./options.ts";

/** Where a server's certificates lie. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  /** Undefined: clients are not asked for a certificate. */
  readonly clientCa?: string | undefined;
}

/** @throws TelemetryError when one of them cannot be read, or used */
export function readTlsFiles(files: TlsFiles): ServerTls {
  return parse(files, readAll(files));
}

/** @param tls what was read of the files */
export function followTlsFiles(
  files: TlsFiles,
  tls: ServerTls,
  log: Log,
  apply: (tls: ServerTls) => void,
): FileFollower<ServerTls> {
  return new FileFollower(
    {
      read: () => JSON.stringify(readAll(files)),
      parse: (text) => parse(files, JSON.parse(text) as ServerTls),
      apply,
      applied: `new connections are shown the certificate ${files.cert} as it is now`,
      kept: "new connections are shown the one before",
      log,
    },
    JSON.stringify(tls),
  );
}

function parse(files: TlsFiles, tls: ServerTls): ServerTls {
  checkPair(tls, `the certificate ${files.cert} with the key ${files.key}`, systemClock.nowMs());
  if (tls.clientCa !== undefined) checkAuthorities(tls.clientCa, `--client-ca ${files.clientCa}`);
  return tls;
}

function readAll({ cert, key, clientCa }: TlsFiles): ServerTls {
  return {
    cert: readText(cert, "--tls-cert"),
    key: readText(key, "--tls-key"),
    clientCa: clientCa === undefined ? undefined : readText(clientCa, "--client-ca"),
  };
}

export interface TlsFlags {
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  readonly clientCa?: string | undefined;
}

/** @returns undefined: plaintext. @throws TelemetryError when they do not fit together */
export function tlsFilesOf({ tlsCert, tlsKey, clientCa }: TlsFlags): TlsFiles | undefined {
  if (tlsCert !== undefined && tlsKey !== undefined) return { cert: tlsCert, key: tlsKey, clientCa };
  for (const [flag, value, other] of [
    ["--tls-cert", tlsCert, "--tls-key"],
    ["--tls-key", tlsKey, "--tls-cert"],
    ["--client-ca", clientCa, "--tls-cert and --tls-key"],
  ] as const) {
    if (value !== undefined) throw invalidField(flag, "is given alone", `add ${other}`);
  }
  return undefined;
}

/**
 * @param flag that names the address where clear text would be served
 * @throws TelemetryError when others can reach it, and nobody has said that this is meant
 */
export function checkPlaintext(flag: string, address: string, insecure: boolean, log: Log): void {
  if (isLoopback(address)) return;
  if (!insecure) {
    throw invalidField(
      flag,
      `is ${address}, which other machines can reach, in clear text`,
      'add --tls-cert and --tls-key ("tidemark certs" makes them), or say --insecure',
    );
  }
  log.warn(`${address} is served in clear text, to whoever can reach it`);
}

export const tlsCertSetting = () => setting("--tls-cert <file>", "the server's certificate; changes are followed");
export const tlsKeySetting = () => setting("--tls-key <file>", "the private key of --tls-cert");
export const clientCaSetting = () =>
  setting("--client-ca <file>", "the authorities of the certificates that clients must show");
export const insecureSetting = () => setting("--insecure", "clear text also where other machines can reach it");
