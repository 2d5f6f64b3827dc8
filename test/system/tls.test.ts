import { readFile, stat } from "node:fs/promises";
import { request } from "node:https";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { Cli, serve, temporaryDirectory, tidemark } from "./support/cli.ts";

let certs: string;

beforeAll(async () => {
  certs = await temporaryDirectory();
  const made = await tidemark(["certs", certs, "--client", "gateway-7", "--days", "2"]);
  expect(made).toMatchObject({ code: 0, stderr: "" });
});

const serverFlags = () => ["--tls-cert", join(certs, "server.crt"), "--tls-key", join(certs, "server.key")];
const ca = () => ["--ca", join(certs, "ca.crt")];
const pair = () => ["--cert", join(certs, "clients/gateway-7.crt"), "--key", join(certs, "clients/gateway-7.key")];

const clientFiles = { cert: "clients/gateway-7.crt", key: "clients/gateway-7.key" };

/** What a client of TLS has of the certificates. */
async function files(ca: string, own: Readonly<Record<string, string>> = {}): Promise<Record<string, string>> {
  const names = Object.entries({ ca, ...own });
  return Object.fromEntries(
    await Promise.all(names.map(async ([name, file]) => [name, await readFile(join(certs, file), "utf8")] as const)),
  );
}

/** The status of an answer over TLS. @param ready what the server has said of itself */
async function statusOf(ready: unknown, verb: string, path: string, tls: Readonly<Record<string, string>>) {
  const { http } = ready as { http: string };
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
  const sent = request(`https://${http}${path}`, { method: verb, ...tls, agent: false }, (response) => {
    response.resume();
    resolve(response.statusCode);
  });
  sent.on("error", reject).end();
  return await promise;
}

describe("certs", () => {
  it("makes an authority, a server's certificate and clients', whose keys only their owner can read", async () => {
    for (const name of ["ca", "server", "clients/gateway-7"]) {
      expect(await readFile(join(certs, `${name}.crt`), "utf8")).toMatch(/^-----BEGIN CERTIFICATE-----/);
      expect((await stat(join(certs, `${name}.key`))).mode & 0o777).toBe(0o600);
    }
  });

  it("makes nothing again unless told to, and then with the same authority", async () => {
    const directory = await temporaryDirectory();
    const contents = async () =>
      await Promise.all(["ca.crt", "server.crt"].map((name) => readFile(join(directory, name), "utf8")));
    await tidemark(["certs", directory]);
    const before = await contents();
    const again = await tidemark(["certs", directory]);
    expect(again.stdout).toBe(`nothing to make: all are in ${directory}; --renew makes them again\n`);
    expect(await contents()).toEqual(before);
    await tidemark(["certs", directory, "--renew"]);
    const [authority, server] = await contents();
    expect(authority).toBe(before[0]);
    expect(server).not.toBe(before[1]);
  });

  it("refuses names that are no file names", async () => {
    const refused = await tidemark(["certs", certs, "--client", "../gateway"]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('--client is "../gateway"; choose 1 to 64 letters, digits');
  });
});

describe("serve with certificates", () => {
  it("takes a fleet, answers queries, and shows a new certificate without a restart", async () => {
    const { server, address } = await serve(["--data", await temporaryDirectory(), ...serverFlags()]);
    const fleet = ["--devices", "2", "--batches", "3", "--integers", "--json"];
    const simulated = await tidemark(["simulate", "--address", address, ...ca(), ...fleet]);
    expect(simulated.code).toBe(0);
    const listed = await tidemark(["devices", "list", "--json"], {
      env: { TIDEMARK_ADDRESS: address, TIDEMARK_CA: join(certs, "ca.crt") },
    });
    expect(listed.stdout.trim().split("\n")).toHaveLength(2);
    await tidemark(["certs", certs, "--name", "127.0.0.1"]);
    await server.line(/new connections are shown the certificate/, "stderr");
    expect((await tidemark(["status", "--address", address, ...ca()])).code).toBe(0);
  });

  it("asks clients for certificates with --client-ca", async () => {
    const flags = [...serverFlags(), "--client-ca", join(certs, "ca.crt")];
    const { address } = await serve(["--data", await temporaryDirectory(), ...flags]);
    expect((await tidemark(["status", "--address", address, ...ca(), ...pair()])).code).toBe(0);
  });

  it("serves HTTP with the same certificates, asks its clients for theirs, and lets in whom the rules name", async () => {
    const directory = await temporaryDirectory();
    const access = join(directory, "access.json");
    const flags = [...serverFlags(), "--client-ca", join(certs, "ca.crt"), "--http", "127.0.0.1:0"];
    const data = ["--data", join(directory, "data")];
    const open = await serve([...data, ...flags]);
    expect(await statusOf(open.ready, "GET", "/v1/status", await files("ca.crt", clientFiles))).toBe(200);
    await expect(statusOf(open.ready, "GET", "/v1/status", await files("ca.crt"))).rejects.toThrow();
    await expect(statusOf(open.ready, "GET", "/v1/status", {})).rejects.toThrow(/certificate/);
    await open.server.kill();

    await tidemark(["access", "certificate", access, "--name", "gateway-7", "--scope", "query"]);
    const ruled = await serve([...data, ...flags, "--access", access]);
    const clients = await files("ca.crt", clientFiles);
    expect(await statusOf(ruled.ready, "GET", "/v1/devices", clients)).toBe(200);
    expect(await statusOf(ruled.ready, "DELETE", "/v1/devices/press", clients)).toBe(403);
    expect(await statusOf(ruled.ready, "GET", "/v1/devices", await files("ca.crt"))).toBe(401);
  });

  it("does not serve in clear text what other machines can reach, unless that is meant", async () => {
    const data = ["--data", await temporaryDirectory()];
    const refused = await tidemark(["serve", ...data, "--grpc", "0.0.0.0:0"]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain("which other machines can reach, in clear text");
    const meant = new Cli(["serve", ...data, "--grpc", "0.0.0.0:0", "--insecure"]);
    await meant.line(/ready/);
    expect(meant.stderr.join("\n")).toContain("0.0.0.0:0 is served in clear text, to whoever can reach it");
  });
});
