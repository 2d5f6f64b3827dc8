import { TelemetryError } from "../lib/base/errors.ts";

/** Exit codes, as `--help` and the README tell them. */
export const exitCode = {
  ok: 0,
  /** What was asked for was not done, or not all of it. */
  failed: 1,
  /** A flag, a key of the configuration file, or a value is not valid. */
  usage: 2,
  /** The server cannot be reached, or the address is taken. */
  unavailable: 3,
  /** The data directory cannot be used, or has failed. */
  store: 4,
  /** Ended at once by a second Ctrl-C. */
  interrupted: 130,
} as const;

export const exitCodesHelp = `
Exit codes:
  0  done
  1  not done, or not all of it
  2  a flag, a configuration key or a value is not valid
  3  the server cannot be reached, or the address is taken
  4  the data directory cannot be used, or has failed
  130  ended at once by a second Ctrl-C`;

const storeReasons = [
  "DATA_DIRECTORY_IN_USE",
  "STORE_UNREADABLE",
  "FOREIGN_DATABASE",
  "SCHEMA_VERSION",
  "TIERS_DIFFER",
  "STORE_FAILED",
  "STORE_DAMAGED",
];

/** What can be done here about an error of a server that knows nothing of our flags, behind its message. */
export function remedyOf(error: unknown): string {
  if (!(error instanceof TelemetryError) || error.reason !== "CREDENTIALS_MISSING") return "";
  return "; with this command: --token or TIDEMARK_TOKEN, --user, or --cert and --key";
}

export function exitCodeOf(error: unknown): number {
  if (!(error instanceof TelemetryError)) return exitCode.failed;
  if (storeReasons.includes(error.reason)) return exitCode.store;
  if (error.status === "INVALID_ARGUMENT") return exitCode.usage;
  return error.status === "UNAVAILABLE" ? exitCode.unavailable : exitCode.failed;
}
