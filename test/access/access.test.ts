import { beforeAll, describe, expect, it } from "vitest";
import { type Credentials, checkScope, openAccess, RuledAccess } from "../../lib/access/access.ts";
import { type AccessRules, noRules } from "../../lib/access/access-rules.ts";
import { PasswordChecks } from "../../lib/access/password-checks.ts";
import { hashPassword, makeToken } from "../../lib/access/secrets.ts";

const made = makeToken();
const stranger = makeToken();
let rules: AccessRules;
let nowMs = 1_000;
const clock = { nowMs: () => nowMs, elapsedMs: () => nowMs };

beforeAll(async () => {
  const { id, sha256 } = made;
  rules = {
    tokens: [{ name: "gateway", id, sha256, scopes: ["ingest"], devices: ["plant-*"], expiresMs: 5_000 }],
    users: [{ name: "anna", scrypt: await hashPassword("pass:word"), scopes: ["query", "admin"], devices: [] }],
    certificates: [
      { name: "press", scopes: ["ingest"], devices: ["press"] },
      { name: "*", scopes: ["ingest"], devices: ["{name}", "{name}/*"] },
    ],
  };
});

async function identify(access: RuledAccess, credentials: Partial<Credentials>) {
  return await access.identify({ authorization: undefined, certificate: undefined, ...credentials });
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString("base64")}` });

describe("access by rules", () => {
  it("knows tokens, users and certificates", async () => {
    const access = new RuledAccess(rules, clock);
    expect((await identify(access, bearer(made.token))).principal).toEqual({
      kind: "token",
      name: "gateway",
      scopes: ["ingest"],
      devices: ["plant-*"],
    });
    expect((await identify(access, basic("anna:pass:word"))).principal).toMatchObject({ kind: "user", name: "anna" });
    const press = (await identify(access, { certificate: "press" })).principal;
    expect(press).toMatchObject({ kind: "certificate", name: "press", devices: ["press"] });
    const other = (await identify(access, { certificate: "truck-7" })).principal;
    expect(other).toMatchObject({ name: "truck-7", devices: ["truck-7", "truck-7/*"] });
    const both = await identify(access, { ...bearer(made.token), certificate: "press" });
    expect(both.principal.kind).toBe("token");
  });

  it.each<[string, Partial<Credentials>, string]>([
    ["nothing", {}, "CREDENTIALS_MISSING"],
    ["a token of somebody else", bearer(stranger.token), "CREDENTIALS_INVALID"],
    ["a token with another secret", bearer(`tm_${made.id}_${stranger.token.slice(16)}`), "CREDENTIALS_INVALID"],
    ["no token", bearer("x"), "CREDENTIALS_INVALID"],
    ["a wrong password", basic("anna:password"), "CREDENTIALS_INVALID"],
    ["a name that is not known", basic("bob:pass:word"), "CREDENTIALS_INVALID"],
    ["a name alone", basic("anna"), "CREDENTIALS_INVALID"],
    ["another scheme", { authorization: "Digest x" }, "CREDENTIALS_INVALID"],
    ["a header without a scheme", { authorization: made.token }, "CREDENTIALS_INVALID"],
  ])("refuses who has %s", async (_, credentials, reason) => {
    const access = new RuledAccess(rules, clock);
    const refused = (async () => await identify(access, credentials))();
    await expect(refused).rejects.toMatchObject({ status: "UNAUTHENTICATED", reason });
    await expect(refused).rejects.not.toThrow(/pass:|tm_/);
  });

  it("refuses a certificate that there is no rule for", async () => {
    const access = new RuledAccess({ ...rules, certificates: [] }, clock);
    const refused = (async () => await identify(access, { certificate: "press" }))();
    await expect(refused).rejects.toMatchObject({ status: "PERMISSION_DENIED", reason: "NO_RULE" });
  });

  it("holds until it expires", async () => {
    const access = new RuledAccess(rules, clock);
    const identity = await identify(access, bearer(made.token));
    nowMs = 4_999;
    expect(identity.isCurrent()).toBe(true);
    nowMs = 5_000;
    expect(identity.isCurrent()).toBe(false);
    await expect((async () => await identify(access, bearer(made.token)))()).rejects.toMatchObject({
      reason: "CREDENTIALS_EXPIRED",
    });
    nowMs = 1_000;
  });

  it("holds while its rule says the same, whatever else changes", async () => {
    const access = new RuledAccess(rules, clock);
    const [token, user] = [await identify(access, bearer(made.token)), await identify(access, basic("anna:pass:word"))];
    access.setRules(structuredClone({ ...rules, certificates: [] }));
    expect([token.isCurrent(), user.isCurrent()]).toEqual([true, true]);
    access.setRules({ ...rules, tokens: rules.tokens.map((rule) => ({ ...rule, devices: ["other"] })) });
    expect([token.isCurrent(), user.isCurrent()]).toEqual([false, true]);
    access.setRules(noRules);
    expect(user.isCurrent()).toBe(false);
    await expect((async () => await identify(access, basic("anna:pass:word")))()).rejects.toThrow("is wrong");
  });
});

describe("access without rules", () => {
  it("is everyone's", async () => {
    const { principal, isCurrent } = await openAccess.identify({ authorization: "x", certificate: undefined });
    expect(principal).toMatchObject({ kind: "anyone", scopes: ["ingest", "query", "admin"], devices: ["*"] });
    expect(isCurrent()).toBe(true);
  });

  it("takes the name of a certificate", async () => {
    const { principal } = await openAccess.identify({ authorization: undefined, certificate: "press" });
    expect(principal).toMatchObject({ kind: "certificate", name: "press", devices: ["*"] });
  });
});

describe("a scope that is missing", () => {
  it("is told with what there is", () => {
    const principal = { kind: "token", name: "gateway", scopes: ["ingest", "query"], devices: [] } as const;
    checkScope(principal, "query");
    expect(() => checkScope(principal, "admin")).toThrow(
      'token "gateway" has the scopes ingest, query, and this needs admin; use another, or give it the scope',
    );
  });
});

describe("checks of passwords", () => {
  it("are a few at once, and no more than so many wait", async () => {
    const checks = new PasswordChecks();
    const kept = await hashPassword("right");
    const results = await Promise.allSettled(Array.from({ length: 60 }, (_, i) => checks.isRight(`wrong ${i}`, kept)));
    const refused = results.filter(({ status }) => status === "rejected");
    expect(refused).toHaveLength(8);
    expect(refused[0]).toMatchObject({ reason: { status: "RESOURCE_EXHAUSTED", reason: "PASSWORDS_BUSY" } });
    expect(results.filter((each) => each.status === "fulfilled" && each.value)).toEqual([]);
    expect(await checks.isRight("right", kept)).toBe(true);
  });
});
