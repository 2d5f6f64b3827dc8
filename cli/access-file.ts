import { chmodSync, existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { RuledAccess } from "../lib/access/access.ts";
import { type AccessRules, formatAccessRules, noRules, parseAccessRules } from "../lib/access/access-rules.ts";
import { systemClock } from "../lib/base/clock.ts";
import { errorMessage, invalidField, TelemetryError } from "../lib/base/errors.ts";
import type { Log } from "../lib/base/log.ts";
import { FileFollower } from "./file-follower.ts";
import { readText, setting } from "./options.ts";

export const accessSetting = () =>
  setting("--access <file>", 'who may do what; "tidemark access" writes it, changes are followed');

export interface FollowedAccess {
  /** As they were read. */
  readonly rules: AccessRules;
  readonly access: RuledAccess;
  readonly follower: FileFollower<AccessRules>;
}

/** Access by a file, and what follows it. @throws TelemetryError when it cannot be used */
export function accessOf(file: string, log: Log): FollowedAccess {
  const text = readText(file, "--access");
  const rules = parse(file, text);
  const access = new RuledAccess(rules, systemClock);
  const follower = new FileFollower(
    {
      read: () => readText(file, "--access"),
      parse: (changed) => parse(file, changed),
      apply: (rules) => access.setRules(rules),
      applied: `access goes by ${file} as it is now`,
      kept: "access goes by what it was before",
      log,
    },
    text,
  );
  return { rules, access, follower };
}

/** @returns none when the file is not there yet. @throws TelemetryError */
export function readAccessFile(file: string): AccessRules {
  return existsSync(file) ? parse(file, readText(file, "FILE")) : noRules;
}

/** At once, whoever reads it meanwhile. @throws TelemetryError */
export function writeAccessFile(file: string, rules: AccessRules): void {
  const written = `${file}.new`;
  try {
    writeFileSync(written, formatAccessRules(rules), { mode: 0o600 });
    chmodSync(written, 0o600);
    // What cannot be read back is not put in its place.
    parse(written, readFileSync(written, "utf8"));
    renameSync(written, file);
  } catch (error) {
    if (error instanceof TelemetryError) throw error;
    throw invalidField("FILE", `${file} cannot be written: ${errorMessage(error)}`, "check the path");
  }
}

function parse(file: string, text: string): AccessRules {
  try {
    return parseAccessRules(text);
  } catch (error) {
    if (!(error instanceof TelemetryError)) throw error;
    throw new TelemetryError(error.status, error.reason, `${file}: ${error.message}`, { cause: error });
  }
}
