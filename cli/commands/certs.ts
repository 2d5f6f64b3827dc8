import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { Argument, type Command } from "@commander-js/extra-typings";
import { systemClock } from "../../lib/base/clock.ts";
import { errorMessage, invalidField } from "../../lib/base/errors.ts";
import { checkPair, type KeyPair } from "../../lib/rpc/tls.ts";
import { integer, list, setting } from "../options.ts";
import { printLine } from "../terminal.ts";

const authorityDays = 3_650;
const daysDefault = 365;

/** Names that are file names everywhere. */
const plainName = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/;

export function addCerts(program: Command): void {
  program
    .command("certs")
    .description("make certificates of an authority of your own, for development and small fleets")
    .addArgument(new Argument("<dir>", "where they are, and will be"))
    .addOption(
      setting("--name <host>", "a name or IP address that clients know the server by, besides localhost").argParser(
        list,
      ),
    )
    .addOption(
      setting("--client <name>", "a client to make a certificate for: a device, a gateway, a person").argParser(list),
    )
    .addOption(
      setting("--days <n>", "how long the new ones are valid; the authority is for ten years")
        .argParser(integer("--days", 1, authorityDays))
        .default(daysDefault),
    )
    .addOption(setting("--renew", "make those again that are there already; the authority stays"))
    .addHelpText(
      "after",
      `
The first time it makes the authority (ca.crt, ca.key) and the server's certificate (server.crt, server.key); each
--client gets clients/NAME.crt and clients/NAME.key. Whoever has ca.key can make clients that the server believes: keep
it off the server.

Examples:
  $ tidemark certs ./certs
  $ tidemark serve --tls-cert ./certs/server.crt --tls-key ./certs/server.key
  $ tidemark simulate --ca ./certs/ca.crt
  $ tidemark certs ./certs --name telemetry.example.com --client gateway-7
  $ tidemark serve --tls-cert ./certs/server.crt --tls-key ./certs/server.key --client-ca ./certs/ca.crt
  $ tidemark status --ca ./certs/ca.crt --cert ./certs/clients/gateway-7.crt --key ./certs/clients/gateway-7.key`,
    )
    .action(async (dir, { name: names = [], client: clients = [], days, renew = false }) => {
      for (const client of clients) {
        if (!plainName.test(client)) {
          const remedy = "choose 1 to 64 letters, digits, dots, dashes and underscores";
          throw invalidField("--client", `is ${JSON.stringify(client)}`, remedy);
        }
      }
      // Its library costs every other command 50 ms at its start.
      const { makeAuthority, makeClientPair, makeServerPair } = await import("../../lib/rpc/certificates.ts");
      const made = new PairFiles(dir);
      const authority =
        made.read("ca") ??
        (await made.write("ca", makeAuthority(`tidemark ${hostname()}`.slice(0, 64), authorityDays)));
      const serverNames = [...new Set([...names, "localhost", hostname(), "127.0.0.1", "::1"])];
      if (renew || names.length > 0 || !made.has("server")) {
        await made.write("server", makeServerPair(authority, serverNames, days));
      }
      for (const client of clients) {
        const file = join("clients", client);
        if (renew || !made.has(file)) await made.write(file, makeClientPair(authority, client, days));
      }
      if (made.written === 0) printLine(`nothing to make: all are in ${dir}; --renew makes them again`);
    });
}

/** Pairs in a directory, as `NAME.crt` and `NAME.key`. */
class PairFiles {
  written = 0;
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  has(name: string): boolean {
    return existsSync(this.#file(name, "crt"));
  }

  /** @returns undefined when it is not there. @throws TelemetryError when it cannot be used */
  read(name: string): KeyPair | undefined {
    if (!this.has(name)) return undefined;
    const [certFile, keyFile] = [this.#file(name, "crt"), this.#file(name, "key")];
    let pair: KeyPair;
    try {
      pair = { cert: readFileSync(certFile, "utf8"), key: readFileSync(keyFile, "utf8") };
    } catch (error) {
      throw invalidField(
        "<dir>",
        `has ${certFile}, whose key cannot be read: ${errorMessage(error)}`,
        "bring ca.key here, or name another directory",
      );
    }
    checkPair(pair, certFile, systemClock.nowMs());
    return pair;
  }

  async write(name: string, making: Promise<KeyPair>): Promise<KeyPair> {
    const pair = await making;
    const certFile = this.#file(name, "crt");
    mkdirSync(dirname(certFile), { recursive: true, mode: 0o700 });
    writeFileSync(this.#file(name, "key"), pair.key, { mode: 0o600 });
    writeFileSync(certFile, pair.cert);
    const { validToDate } = checkPair(pair, certFile, systemClock.nowMs());
    printLine(`${certFile} and its key, until ${validToDate.toISOString().slice(0, 10)}`);
    this.written += 1;
    return pair;
  }

  #file(name: string, ending: string): string {
    return join(this.#dir, `${name}.${ending}`);
  }
}
