import type { Clock } from "../base/clock.ts";
import { TelemetryError } from "../base/errors.ts";
import type { AccessRules, CertificateRule, TokenRule, UserRule } from "./access-rules.ts";
import { PasswordChecks } from "./password-checks.ts";
import { anyone, type Principal, type Scope } from "./principal.ts";
import { isTokenSecret, readToken } from "./secrets.ts";

/** What a call brings along. */
export interface Credentials {
  /** The header `authorization`. */
  readonly authorization: string | undefined;
  /** Common name of the certificate that the connection has shown, and that was found valid. */
  readonly certificate: string | undefined;
}

/** Who calls. */
export interface Identity {
  readonly principal: Principal;
  /** Whether it still is so: not once it was revoked, changed or has expired. */
  isCurrent(): boolean;
}

/** Tells who calls. */
export interface Access {
  /** @throws TelemetryError UNAUTHENTICATED, or PERMISSION_DENIED; a promise only where a password must be hashed */
  identify(credentials: Credentials): Identity | Promise<Identity>;
}

/** Nobody has to say who he is; a certificate's name is taken all the same. */
export const openAccess: Access = {
  identify: ({ certificate }) =>
    certificate === undefined
      ? everyone
      : { principal: { ...anyone, kind: "certificate", name: certificate }, isCurrent: () => true },
};

const everyone: Identity = { principal: anyone, isCurrent: () => true };

/** @throws TelemetryError PERMISSION_DENIED */
export function checkScope(principal: Principal, scope: Scope): void {
  if (principal.scopes.includes(scope)) return;
  const { kind, name, scopes } = principal;
  throw new TelemetryError(
    "PERMISSION_DENIED",
    "SCOPE_MISSING",
    `${kind} ${JSON.stringify(name)} has the scopes ${scopes.join(", ")}, and this needs ${scope}; use another, or give it the scope`,
    { metadata: { scope } },
  );
}

type Rule = TokenRule | UserRule | CertificateRule;

/** Access by rules, which may change. */
export class RuledAccess implements Access {
  readonly #clock: Clock;
  readonly #passwords = new PasswordChecks();
  /** By kind and what names it there. */
  #rules = new Map<string, Rule>();

  constructor(rules: AccessRules, clock: Clock) {
    this.#clock = clock;
    this.setRules(rules);
  }

  /** Who was identified by a rule that is other now, or gone, is not current any more. */
  setRules({ tokens, users, certificates }: AccessRules): void {
    const before = this.#rules;
    this.#rules = new Map();
    const add = (key: string, rule: Rule) => {
      const old = before.get(key);
      // The same object where it says the same: `isCurrent` looks for that.
      this.#rules.set(key, old !== undefined && JSON.stringify(old) === JSON.stringify(rule) ? old : rule);
    };
    for (const rule of tokens) add(`token ${rule.id}`, rule);
    for (const rule of users) add(`user ${rule.name}`, rule);
    for (const rule of certificates) add(`certificate ${rule.name}`, rule);
    this.#passwords.forget();
  }

  identify({ authorization, certificate }: Credentials): Identity | Promise<Identity> {
    if (authorization === undefined) {
      if (certificate !== undefined) return this.#certificate(certificate);
      throw unauthenticated(
        "CREDENTIALS_MISSING",
        'nothing says who calls; send the header "authorization: Bearer TOKEN", or show a certificate',
      );
    }
    const [, scheme = "", value = ""] = /^(\S+) +(\S+)$/.exec(authorization) ?? [];
    if (/^bearer$/i.test(scheme)) return this.#token(value);
    if (/^basic$/i.test(scheme)) return this.#user(value);
    throw unauthenticated("CREDENTIALS_INVALID", 'the header authorization is not "Bearer TOKEN" nor "Basic BASE64"');
  }

  #token(token: string): Identity {
    const { id, secret } = readToken(token) ?? {};
    const rule = this.#rules.get(`token ${id}`) as TokenRule | undefined;
    if (secret === undefined || rule === undefined || !isTokenSecret(secret, rule.sha256)) {
      throw unauthenticated(
        "CREDENTIALS_INVALID",
        "the token is not known; it may have been revoked: ask for a new one",
      );
    }
    return this.#identity("token", `token ${id}`, rule, rule.name);
  }

  async #user(basic: string): Promise<Identity> {
    const text = Buffer.from(basic, "base64").toString("utf8");
    const colon = text.indexOf(":");
    const name = text.slice(0, Math.max(0, colon));
    const rule = this.#rules.get(`user ${name}`) as UserRule | undefined;
    // A name that is not known takes as long as a wrong password.
    if (!(await this.#passwords.isRight(text.slice(colon + 1), rule?.scrypt)) || rule === undefined) {
      throw unauthenticated("CREDENTIALS_INVALID", "name or password is wrong");
    }
    return this.#identity("user", `user ${name}`, rule, rule.name);
  }

  #certificate(name: string): Identity {
    const key = this.#rules.has(`certificate ${name}`) ? `certificate ${name}` : "certificate *";
    const rule = this.#rules.get(key);
    if (rule === undefined) {
      throw new TelemetryError(
        "PERMISSION_DENIED",
        "NO_RULE",
        `the access file has no rule for the certificate ${JSON.stringify(name)}; add one`,
      );
    }
    return this.#identity("certificate", key, rule, name);
  }

  #identity(kind: Principal["kind"], key: string, rule: Rule, name: string): Identity {
    const expiresMs = "expiresMs" in rule ? rule.expiresMs : undefined;
    const isCurrent = () =>
      this.#rules.get(key) === rule && !(expiresMs !== undefined && expiresMs <= this.#clock.nowMs());
    if (!isCurrent()) {
      throw unauthenticated("CREDENTIALS_EXPIRED", `${kind} ${JSON.stringify(name)} has expired; ask for a new one`);
    }
    const devices = rule.devices.map((pattern) => pattern.replaceAll("{name}", name));
    return { principal: { kind, name, scopes: rule.scopes, devices }, isCurrent };
  }
}

function unauthenticated(reason: string, message: string): TelemetryError {
  return new TelemetryError("UNAUTHENTICATED", reason, message);
}

/** For calls that were let in, and are not any more. */
export function noLongerCurrent({ kind, name }: Principal): TelemetryError {
  return unauthenticated(
    "CREDENTIALS_REVOKED",
    `${kind} ${JSON.stringify(name)} was revoked or changed, or has expired; sign in again`,
  );
}
