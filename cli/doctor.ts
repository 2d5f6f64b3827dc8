import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import Database from "better-sqlite3";
import type { AccessRules } from "../lib/access/access-rules.ts";
import type { Clock } from "../lib/base/clock.ts";
import { formatDuration } from "../lib/base/duration.ts";
import { errorMessage } from "../lib/base/errors.ts";
import { connectionsMaxDefault } from "../lib/base/limits.ts";
import { formatSize } from "../lib/base/size.ts";
import { Channel } from "../lib/rpc/client.ts";
import { checkUndamaged } from "../lib/store/sqlite/damage.ts";
import { databaseFile, openForReading, readPragmas } from "../lib/store/sqlite/database.ts";
import type { ServeSettings } from "./serve-options.ts";
import { describeTiers } from "./tier-options.ts";
import { version } from "./version.ts";

/** What an examination has found of one thing. */
export interface Finding {
  readonly about: string;
  /** A warning is of what will be a problem, or may be one. */
  readonly state: "ok" | "warning" | "problem";
  readonly text: string;
}

const dayMs = 86_400_000;
/** Time to renew what ends. */
const endsSoonMs = 30 * dayMs;
const freeBytesMin = 1024 ** 3;
const freeShareMin = 0.1;
const nodeMajorMin = 24;
/** An fsync that is faster than any disk: it did not reach one. */
const fsyncMsMin = 0.02;
const fsyncMsMax = 20;
const fsyncs = 20;

/** File systems on which SQLite's locks and log cannot be trusted, by their number (statfs(2)). */
const remoteFileSystems = new Map([
  [0x6969, "NFS"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB2"],
  [0x65735546, "FUSE"],
]);
const memoryFileSystem = 0x01021994;

/** Looks at what a server would run with, and on. Nothing is changed. */
export async function examine({ options, tls, rules }: ServeSettings, clock: Clock): Promise<Finding[]> {
  const { dataDir, tiers, latenessMs = 0, grpc } = options;
  return [
    { about: "configuration", state: "ok", text: `valid; tiers ${describeTiers(tiers, latenessMs)}` },
    ...examineVersions(),
    ...(tls === undefined ? [plaintext(grpc)] : examineCertificates(tls.read, clock.nowMs())),
    ...(rules === undefined ? [open()] : examineRules(rules.rules, clock.nowMs())),
    ...examineDisk(dataDir),
    ...examineDatabase(dataDir, clock.nowMs()),
    await examineClock(),
    examineFileLimit(),
    await examineServer(options.grpc, tls === undefined),
  ];
}

function examineVersions(): Finding[] {
  const [major] = process.versions.node.split(".");
  const memory = new Database(":memory:");
  const sqlite = memory.prepare("SELECT sqlite_version()").pluck().get() as string;
  memory.close();
  const text = `tidemark ${version()}, Node ${process.versions.node}, SQLite ${sqlite}`;
  return Number(major) >= nodeMajorMin
    ? [{ about: "versions", state: "ok", text }]
    : [{ about: "versions", state: "problem", text: `${text}; Node ${nodeMajorMin} or later is needed` }];
}

function plaintext(grpc: string): Finding {
  return { about: "encryption", state: "ok", text: `none: ${grpc} is served in clear text` };
}

function examineCertificates(
  { cert, clientCa }: { cert: string; clientCa?: string | undefined },
  nowMs: number,
): Finding[] {
  const server = endOf("certificate", new X509Certificate(cert), nowMs);
  return clientCa === undefined ? [server] : [server, endOf("client authority", new X509Certificate(clientCa), nowMs)];
}

function endOf(about: string, certificate: X509Certificate, nowMs: number): Finding {
  const { validFromDate, validToDate, subject, subjectAltName = "" } = certificate;
  const names = [subject.replaceAll("\n", ", "), subjectAltName].filter((text) => text !== "").join("; ");
  const dates = `from ${validFromDate.toISOString()} to ${validToDate.toISOString()}`;
  if (validToDate.getTime() <= nowMs) return { about, state: "problem", text: `${names}: ended, ${dates}; renew it` };
  if (validFromDate.getTime() > nowMs) {
    return { about, state: "problem", text: `${names}: not valid yet, ${dates}; is the clock right?` };
  }
  const leftMs = validToDate.getTime() - nowMs;
  if (leftMs > endsSoonMs) return { about, state: "ok", text: `${names}: ${dates}` };
  const days = Math.ceil(leftMs / dayMs);
  return { about, state: "warning", text: `${names}: ends in ${days} days, ${dates}; renew it` };
}

function open(): Finding {
  return { about: "access", state: "ok", text: "no rules: whoever can connect may do everything" };
}

function examineRules({ tokens, users, certificates }: AccessRules, nowMs: number): Finding[] {
  const counts = `${tokens.length} tokens, ${users.length} users, ${certificates.length} certificates`;
  const ending = [...tokens, ...users].filter(
    ({ expiresMs = Number.POSITIVE_INFINITY }) => expiresMs - nowMs < endsSoonMs,
  );
  if (ending.length === 0) return [{ about: "access", state: "ok", text: counts }];
  const names = ending.map(({ name }) => JSON.stringify(name)).join(", ");
  const days = endsSoonMs / dayMs;
  return [{ about: "access", state: "warning", text: `${counts}; expired, or within ${days} days: ${names}` }];
}

function examineDisk(dataDir: string): Finding[] {
  const directory = existing(resolve(dataDir));
  const { type, bavail, blocks, bsize } = statfsSync(directory);
  const free = bavail * bsize;
  const share = bavail / blocks;
  const text = `${formatSizeRounded(free)} free of ${formatSizeRounded(blocks * bsize)} for ${dataDir}`;
  const isLow = free < freeBytesMin || share < freeShareMin;
  const space: Finding = {
    about: "disk",
    state: free < freeBytesMin ? "problem" : isLow ? "warning" : "ok",
    text: isLow ? `${text}; make space, or keep less with --retention` : text,
  };
  const remote = remoteFileSystems.get(type);
  if (remote !== undefined) {
    return [
      space,
      { about: "file system", state: "problem", text: `${remote}: what it acks may not survive; use a local disk` },
    ];
  }
  const found = [space, examineFsync(directory)];
  if (type !== memoryFileSystem) return found;
  return [
    ...found,
    { about: "file system", state: "warning", text: "in memory: nothing of it survives a restart of the machine" },
  ];
}

/** Whether the disk does what an ack promises, as far as its speed tells. */
function examineFsync(directory: string): Finding {
  const about = "fsync";
  let scratch: string | undefined;
  try {
    scratch = mkdtempSync(join(directory, ".tidemark-doctor-"));
    const file = openSync(join(scratch, "fsync"), "w");
    const times = Array.from({ length: fsyncs }, () => {
      writeSync(file, Buffer.alloc(4096, 1));
      const startMs = performance.now();
      fsyncSync(file);
      return performance.now() - startMs;
    }).sort((a, b) => a - b);
    closeSync(file);
    const medianMs = times[fsyncs / 2];
    const text = `${medianMs.toFixed(2)} ms at the median`;
    if (medianMs < fsyncMsMin) {
      return {
        about,
        state: "warning",
        text: `${text}: too fast to have reached a disk; does it lose what it caches?`,
      };
    }
    if (medianMs > fsyncMsMax) return { about, state: "warning", text: `${text}: each ack waits for one` };
    return { about, state: "ok", text };
  } catch (error) {
    return { about, state: "problem", text: `cannot write below ${directory}: ${errorMessage(error)}` };
  } finally {
    if (scratch !== undefined) rmSync(scratch, { recursive: true, force: true });
  }
}

function examineDatabase(dataDir: string, nowMs: number): Finding[] {
  const about = "database";
  const file = databaseFile(dataDir);
  if (!existsSync(file)) return [{ about, state: "ok", text: `none yet in ${dataDir}; serve makes it` }];
  try {
    checkUndamaged(dataDir, file);
    const db = openForReading(dataDir);
    try {
      const { journal_mode, page_size } = readPragmas(db);
      const latestMs = db.prepare("SELECT max(last_seen_at_ms) FROM sessions").pluck().get() as number | null;
      const text = `${formatSizeRounded(statSync(file).size)}, not damaged as far as is seen; journal_mode=${journal_mode}, page_size=${page_size}`;
      const found: Finding = { about, state: "ok", text };
      if (latestMs === null || latestMs <= nowMs) return [found];
      const aheadMs = Math.round((latestMs - nowMs) / 1_000) * 1_000;
      const ahead = `the latest batch was received ${formatDuration(aheadMs)} ahead of now: the clock has stepped back`;
      return [found, { about: "clock", state: "warning", text: ahead }];
    } finally {
      db.close();
    }
  } catch (error) {
    return [{ about, state: "problem", text: errorMessage(error) }];
  }
}

/** Windows are made by the devices' clocks, and held against this one. */
async function examineClock(): Promise<Finding> {
  const about = "clock";
  const now = new Date().toISOString();
  const synchronized = await output("timedatectl", ["show", "--property=NTPSynchronized", "--value"]);
  if (synchronized === "yes") return { about, state: "ok", text: `${now}, synchronized` };
  const text =
    synchronized === "no" ? "not synchronized: set up NTP" : "it cannot be told here whether it is synchronized";
  return { about, state: synchronized === "no" ? "warning" : "ok", text: `${now}; ${text}` };
}

/** Each connection needs one. */
function examineFileLimit(): Finding {
  const about = "open files";
  const limits = existsSync("/proc/self/limits") ? readFileSync("/proc/self/limits", "utf8") : "";
  const [, soft] = /^Max open files\s+(\d+)/m.exec(limits) ?? [];
  if (soft === undefined) return { about, state: "ok", text: "their limit cannot be told here" };
  if (Number(soft) >= connectionsMaxDefault) return { about, state: "ok", text: `at most ${soft}` };
  return {
    about,
    state: "warning",
    text: `at most ${soft}, and ${connectionsMaxDefault} connections are allowed; raise it (ulimit -n, LimitNOFILE)`,
  };
}

async function examineServer(grpc: string, isPlaintext: boolean): Promise<Finding> {
  const about = "server";
  if (!isPlaintext) return { about, state: "ok", text: `not asked: ${grpc} is encrypted; see "tidemark status"` };
  const channel = new Channel(grpc);
  try {
    await channel.ready(serverMsMax);
    return { about, state: "ok", text: `something answers at ${grpc}; see "tidemark status"` };
  } catch {
    return { about, state: "ok", text: `none at ${grpc}` };
  } finally {
    channel.close();
  }
}

const serverMsMax = 1_000;

/** The directory, or the one above it that is there. */
function existing(directory: string): string {
  return existsSync(directory) ? directory : existing(dirname(directory));
}

function formatSizeRounded(bytes: number): string {
  const unit = [1024 ** 3, 1024 ** 2].find((each) => bytes >= each) ?? 1024;
  return formatSize(Math.round(bytes / unit) * unit);
}

/** Of a command, without its last line break; undefined: it cannot be run. */
async function output(command: string, args: readonly string[]): Promise<string | undefined> {
  return await new Promise((resolve) => {
    execFile(command, args, { timeout: 2_000 }, (error, stdout) => resolve(error === null ? stdout.trim() : undefined));
  });
}
