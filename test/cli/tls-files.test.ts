import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { checkPlaintext, followTlsFiles, readTlsFiles, tlsFilesOf } from "../../cli/tls-files.ts";
import { type Log, silentLog } from "../../lib/base/log.ts";
import { makeAuthority, makeServerPair } from "../../lib/rpc/certificates.ts";
import type { KeyPair, ServerTls } from "../../lib/rpc/tls.ts";

let authority: KeyPair;
let first: KeyPair;
let second: KeyPair;

beforeAll(async () => {
  authority = await makeAuthority("test", 1);
  first = await makeServerPair(authority, ["first"], 1);
  second = await makeServerPair(authority, ["second"], 1);
});

async function write(pair: KeyPair, clientCa?: string) {
  const directory = await mkdtemp(join(tmpdir(), "tidemark-tls-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const files = { cert: join(directory, "s.crt"), key: join(directory, "s.key"), clientCa: join(directory, "ca.crt") };
  await writeFile(files.cert, pair.cert);
  await writeFile(files.key, pair.key);
  await writeFile(files.clientCa, clientCa ?? authority.cert);
  return files;
}

function recorded() {
  const lines: string[] = [];
  const log: Log = {
    ...silentLog,
    info: (line) => void lines.push(line),
    warn: (line) => void lines.push(`! ${line}`),
  };
  return { lines, log };
}

describe("files of certificates", () => {
  it("are read as they are", async () => {
    expect(readTlsFiles(await write(first))).toEqual({ ...first, clientCa: authority.cert });
  });

  it("are refused with a reason when they cannot be used", async () => {
    const stranger = { cert: first.cert, key: second.key };
    const files = await write(stranger);
    expect(() => readTlsFiles(files)).toThrow(
      `the certificate ${files.cert} with the key ${files.key} cannot be used: the key is another certificate's`,
    );
    const ended = await makeServerPair(authority, ["old"], -1);
    const old = await write(ended);
    expect(() => readTlsFiles(old)).toThrow(/has ended on \d{4}-.*; renew it/);
    const odd = await write(first, "no certificate");
    expect(() => readTlsFiles(odd)).toThrow(`--client-ca ${odd.clientCa} cannot be used`);
    expect(() => readTlsFiles({ cert: "/nowhere", key: odd.key })).toThrow(
      '--tls-cert is "/nowhere", which cannot be read',
    );
  });

  it("are followed: what is new is handed on, what cannot be used is told once, and what there was stays", async () => {
    const files = await write(first);
    const { lines, log } = recorded();
    const applied: ServerTls[] = [];
    const follower = followTlsFiles(files, readTlsFiles(files), log, (tls) => applied.push(tls));
    follower.check();
    expect([applied, lines]).toEqual([[], []]);

    await writeFile(files.cert, second.cert);
    follower.check();
    follower.check();
    expect(applied).toEqual([]);
    expect(lines).toEqual([
      expect.stringMatching(/^! .*another certificate's.*; new connections are shown the one before$/),
    ]);

    await writeFile(files.key, second.key);
    follower.check();
    expect(applied).toEqual([{ ...second, clientCa: authority.cert }]);
    expect(lines.slice(1)).toEqual([`new connections are shown the certificate ${files.cert} as it is now`]);

    await rm(files.key);
    follower.check();
    follower.check();
    expect(lines.slice(2)).toEqual([expect.stringMatching(/^! --tls-key .* cannot be read/)]);
    await writeFile(files.key, second.key);
    follower.check();
    expect(applied).toHaveLength(2);
  });
});

describe("flags of a server's certificates", () => {
  it("are given together", () => {
    expect(tlsFilesOf({})).toBeUndefined();
    expect(tlsFilesOf({ tlsCert: "c", tlsKey: "k", clientCa: "ca" })).toEqual({ cert: "c", key: "k", clientCa: "ca" });
    expect(() => tlsFilesOf({ tlsCert: "c" })).toThrow("--tls-cert is given alone; add --tls-key");
    expect(() => tlsFilesOf({ tlsKey: "k" })).toThrow("--tls-key is given alone; add --tls-cert");
    expect(() => tlsFilesOf({ clientCa: "ca" })).toThrow("--client-ca is given alone; add --tls-cert and --tls-key");
  });
});

describe("clear text", () => {
  it.each(["127.0.0.1:1", "127.8.0.1:1", "localhost:1", "[::1]:1"])("is served on %s", (address) => {
    const { lines, log } = recorded();
    checkPlaintext("--grpc", address, false, log);
    expect(lines).toEqual([]);
  });

  it.each(["0.0.0.0:1", "10.0.0.7:1", "[::]:1", "example.com:1", "127.0.0.1.example.com:1"])(
    "is served on %s only when that is meant, with a warning",
    (address) => {
      const { lines, log } = recorded();
      expect(() => checkPlaintext("--grpc", address, false, log)).toThrow(
        `--grpc is ${address}, which other machines can reach, in clear text; add --tls-cert`,
      );
      checkPlaintext("--grpc", address, true, log);
      expect(lines).toEqual([`! ${address} is served in clear text, to whoever can reach it`]);
    },
  );
});
