import { invalidField } from "../base/errors.ts";
import { parseTime } from "../base/time.ts";
import { type DevicePatterns, type Scope, scopes } from "./principal.ts";
import { passwordHashPattern } from "./secrets.ts";

/** Who may do what, as it stands in the access file: JSON, without secrets. */
export interface AccessRules {
  readonly tokens: readonly TokenRule[];
  readonly users: readonly UserRule[];
  readonly certificates: readonly CertificateRule[];
}

interface Rule {
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** For the scope `ingest`: the devices that may be written. */
  readonly devices: DevicePatterns;
}

export interface TokenRule extends Rule {
  readonly id: string;
  /** Hexadecimal. */
  readonly sha256: string;
  readonly expiresMs?: number | undefined;
}

export interface UserRule extends Rule {
  /** `hashPassword`. */
  readonly scrypt: string;
  readonly expiresMs?: number | undefined;
}

/** The name is a certificate's common name, or `*`; `{name}` in the devices stands for it. */
export interface CertificateRule extends Rule {}

export const noRules: AccessRules = { tokens: [], users: [], certificates: [] };

const hex = (length: number) => new RegExp(`^[0-9a-f]{${length}}$`);

/** @throws TelemetryError that names the field */
export function parseAccessRules(text: string): AccessRules {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw invalidField("access file", `is no JSON: ${(error as Error).message}`, "write {} for no rules at all");
  }
  const file = objectOf("access file", json, ["tokens", "users", "certificates"]);
  const list = (name: string) => {
    const rules = file[name] ?? [];
    if (!Array.isArray(rules)) throw invalidField(name, "is no list", "write [] for none");
    return rules.map((rule: unknown, i) => ({ path: `${name}[${i}]`, rule }));
  };
  const common = ["name", "scopes", "devices"];
  const rules: AccessRules = {
    tokens: list("tokens").map(({ path, rule }) => {
      const fields = objectOf(path, rule, [...common, "id", "sha256", "expires"]);
      return {
        ...ruleOf(path, fields),
        id: textOf(`${path}.id`, fields["id"], hex(12), "12 hexadecimal digits"),
        sha256: textOf(`${path}.sha256`, fields["sha256"], hex(64), "64 hexadecimal digits"),
        expiresMs: expiryOf(path, fields),
      };
    }),
    users: list("users").map(({ path, rule }) => {
      const fields = objectOf(path, rule, [...common, "scrypt", "expires"]);
      const form = 'what "tidemark access user" has written';
      return {
        ...ruleOf(path, fields),
        scrypt: textOf(`${path}.scrypt`, fields["scrypt"], passwordHashPattern, form),
        expiresMs: expiryOf(path, fields),
      };
    }),
    certificates: list("certificates").map(({ path, rule }) => ruleOf(path, objectOf(path, rule, common))),
  };
  refuseTwice(
    "tokens",
    rules.tokens.map(({ id }) => id),
  );
  for (const kind of ["tokens", "users", "certificates"] as const)
    refuseTwice(
      kind,
      rules[kind].map(({ name }) => name),
    );
  return rules;
}

/** As `parseAccessRules` reads it. */
export function formatAccessRules({ tokens, users, certificates }: AccessRules): string {
  const withExpiry = <R extends { expiresMs?: number | undefined }>({ expiresMs, ...rule }: R) => ({
    ...rule,
    ...(expiresMs !== undefined && { expires: new Date(expiresMs).toISOString() }),
  });
  const file = { tokens: tokens.map(withExpiry), users: users.map(withExpiry), certificates };
  return `${JSON.stringify(file, null, 2)}\n`;
}

function ruleOf(path: string, fields: Readonly<Record<string, unknown>>): Rule {
  const name = textOf(`${path}.name`, fields["name"], /^[^\s:][^\n:]{0,127}$/, "1 to 128 characters, no colon");
  const given = textsOf(`${path}.scopes`, fields["scopes"]);
  for (const scope of given) {
    if (!scopes.includes(scope as Scope)) {
      throw invalidField(`${path}.scopes`, `has ${JSON.stringify(scope)}`, `choose of ${scopes.join(", ")}`);
    }
  }
  if (given.length === 0) throw invalidField(`${path}.scopes`, "is empty", `choose of ${scopes.join(", ")}`);
  const devices = fields["devices"] === undefined ? [] : textsOf(`${path}.devices`, fields["devices"]);
  if (given.includes("ingest") && devices.length === 0) {
    throw invalidField(
      `${path}.devices`,
      "is empty",
      'say which devices may be written: ["truck-*"], or ["*"] for all',
    );
  }
  return { name, scopes: given as readonly Scope[], devices };
}

function expiryOf(path: string, { expires }: Readonly<Record<string, unknown>>): number | undefined {
  if (expires === undefined) return undefined;
  const expiresMs = typeof expires === "string" ? parseTime(expires) : undefined;
  if (expiresMs === undefined) {
    throw invalidField(`${path}.expires`, `is ${JSON.stringify(expires)}`, "write a time such as 2027-01-31T00:00:00Z");
  }
  return expiresMs;
}

function refuseTwice(kind: string, names: readonly string[]): void {
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw invalidField(kind, `has ${JSON.stringify(twice)} twice`, "name each of them once");
}

function objectOf(path: string, value: unknown, keys: readonly string[]): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalidField(path, "is no object", `write {} with the keys ${keys.join(", ")}`);
  }
  const strange = Object.keys(value).find((key) => !keys.includes(key));
  if (strange !== undefined) {
    throw invalidField(path, `has the key ${JSON.stringify(strange)}`, `its keys are ${keys.join(", ")}`);
  }
  return value as Readonly<Record<string, unknown>>;
}

function textOf(path: string, value: unknown, pattern: RegExp, form: string): string {
  if (typeof value === "string" && pattern.test(value)) return value;
  // It may be a secret in the wrong place.
  const found = value === undefined ? "is missing" : "is not of its form";
  throw invalidField(path, found, `write ${form}`);
}

function textsOf(path: string, value: unknown): readonly string[] {
  if (Array.isArray(value) && value.every((each) => typeof each === "string" && each !== "")) return value as string[];
  throw invalidField(path, `is ${JSON.stringify(value)}`, "write a list of texts");
}
