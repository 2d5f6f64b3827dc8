import { Argument, type Command } from "@commander-js/extra-typings";
import type { AccessRules } from "../../lib/access/access-rules.ts";
import { type Scope, scopes } from "../../lib/access/principal.ts";
import { hashPassword, makeToken } from "../../lib/access/secrets.ts";
import { systemClock } from "../../lib/base/clock.ts";
import { invalidField } from "../../lib/base/errors.ts";
import { formatTime, parseTimeArgument } from "../../lib/base/time.ts";
import { readAccessFile, writeAccessFile } from "../access-file.ts";
import { list, secretOf, setting } from "../options.ts";
import { formatTable, log, printLine } from "../terminal.ts";

const fileArgument = () => new Argument("<file>", "the access file; made when it is not there");
const nameSetting = () => setting("--name <name>", "what it is called, in logs and lists").makeOptionMandatory();
const scopeSetting = () =>
  setting("--scope <scope>", "what it may do; can be given more than once")
    .choices(scopes)
    .argParser((value: string, before: Scope[] | undefined) => {
      if (scopes.includes(value as Scope)) return [...(before ?? []), value as Scope];
      throw invalidField("--scope", `is ${JSON.stringify(value)}`, `choose of ${scopes.join(", ")}`);
    })
    .makeOptionMandatory();
const deviceSetting = () =>
  setting("--device <pattern>", "a device that it may write: an id, 'truck-*', or '*'; with scope ingest").argParser(
    list,
  );
const expiresSetting = () =>
  setting("--expires <time>", "when it ends: 2027-01-31T00:00:00Z, or now+90d").argParser((text) =>
    parseTimeArgument(text, systemClock.nowMs(), "--expires"),
  );

export function addAccess(program: Command): void {
  const access = program
    .command("access")
    .description("who may do what, in the file that serve --access goes by: tokens, users, certificates")
    .addHelpText(
      "after",
      `
Scopes: ingest sends batches of the devices that --device names; query reads; admin changes the registry, resets devices
and copies the database. A running server follows the file: what is revoked ends within seconds, open streams too.

Examples:
  $ tidemark access token ./access.json --name gateway-7 --scope ingest --device 'plant7-*' --expires now+1y
  $ tidemark access token ./access.json --name grafana --scope query
  $ TIDEMARK_PASSWORD_FILE=./password tidemark access user ./access.json --name anna --scope query --scope admin
  $ tidemark access certificate ./access.json --name '*' --scope ingest --device '{name}'
  $ tidemark access list ./access.json
  $ tidemark access revoke ./access.json gateway-7
  $ tidemark serve --access ./access.json`,
    );
  access
    .command("token")
    .description("make a token, and print it: it is not kept, only its hash")
    .addArgument(fileArgument())
    .addOption(nameSetting())
    .addOption(scopeSetting())
    .addOption(deviceSetting())
    .addOption(expiresSetting())
    .action((file, { name, scope, device = [], expires }) => {
      const rules = readAccessFile(file);
      const { token, id, sha256 } = makeToken();
      const rule = { name, id, sha256, scopes: scope, devices: device, expiresMs: expires };
      writeAccessFile(file, { ...rules, tokens: [...rules.tokens, rule] });
      printLine(token);
    });
  access
    .command("user")
    .description("add a name with a password, taken from TIDEMARK_PASSWORD or TIDEMARK_PASSWORD_FILE")
    .addArgument(fileArgument())
    .addOption(nameSetting())
    .addOption(scopeSetting())
    .addOption(deviceSetting())
    .addOption(expiresSetting())
    .action(async (file, { name, scope, device = [], expires }) => {
      const rules = readAccessFile(file);
      const password = secretOf("TIDEMARK_PASSWORD");
      if (password === undefined || password.length < passwordLengthMin) {
        const found = password === undefined ? "is not set" : `has ${password.length} characters`;
        throw invalidField(
          "TIDEMARK_PASSWORD",
          found,
          `set it, or TIDEMARK_PASSWORD_FILE, to ${passwordLengthMin} or more`,
        );
      }
      const rule = { name, scrypt: await hashPassword(password), scopes: scope, devices: device, expiresMs: expires };
      writeAccessFile(file, { ...rules, users: [...rules.users, rule] });
      log.info(`${name} is in ${file}`);
    });
  access
    .command("certificate")
    .description("say what a client with a certificate of serve --client-ca may do")
    .addArgument(fileArgument())
    .addOption(setting("--name <name>", "its common name, or '*' for all others").makeOptionMandatory())
    .addOption(scopeSetting())
    .addOption(
      setting("--device <pattern>", "a device that it may write; {name} stands for the common name").argParser(list),
    )
    .action((file, { name, scope, device = [] }) => {
      const rules = readAccessFile(file);
      writeAccessFile(file, {
        ...rules,
        certificates: [...rules.certificates, { name, scopes: scope, devices: device }],
      });
      log.info(`certificate ${name} is in ${file}`);
    });
  access
    .command("list")
    .description("list who is in the file")
    .addArgument(fileArgument())
    .action((file) => {
      const rows = rowsOf(readAccessFile(file));
      if (rows.length === 0) log.info(`nobody is in ${file}`);
      else for (const line of formatTable([["kind", "name", "scopes", "devices", "expires"], ...rows])) printLine(line);
    });
  access
    .command("revoke")
    .description("take a token, user or certificate out of the file")
    .addArgument(fileArgument())
    .addArgument(new Argument("<name>", "what it is called"))
    .action((file, name) => {
      const { tokens, users, certificates } = readAccessFile(file);
      const others = <R extends { readonly name: string }>(rules: readonly R[]) =>
        rules.filter((rule) => rule.name !== name);
      const left = { tokens: others(tokens), users: others(users), certificates: others(certificates) };
      const gone = rowsOf({ tokens, users, certificates }).length - rowsOf(left).length;
      if (gone === 0) throw invalidField("NAME", `${JSON.stringify(name)} is not in ${file}`, "list who is");
      writeAccessFile(file, left);
      log.info(`${name} is out of ${file}; a server that follows it ends what ${name} has open`);
    });
}

const passwordLengthMin = 8;

function rowsOf({ tokens, users, certificates }: AccessRules): string[][] {
  const row = (kind: string, rule: AccessRules[keyof AccessRules][number]) => [
    kind,
    rule.name,
    rule.scopes.join(","),
    rule.devices.join(","),
    "expiresMs" in rule && rule.expiresMs !== undefined ? formatTime(rule.expiresMs) : "",
  ];
  return [
    ...tokens.map((rule) => row("token", rule)),
    ...users.map((rule) => row("user", rule)),
    ...certificates.map((rule) => row("certificate", rule)),
  ];
}
