import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type AccessRules, formatAccessRules, noRules, parseAccessRules } from "../../lib/access/access-rules.ts";
import { mayWrite, scopes } from "../../lib/access/principal.ts";
import { hashPassword, isPassword, isTokenSecret, makeToken, readToken } from "../../lib/access/secrets.ts";

const sha256 = "a".repeat(64);
const token = { name: "gateway", id: "0123456789ab", sha256, scopes: ["ingest"], devices: ["truck-*"] };
const scrypt = `scrypt$15$8$1$${"s".repeat(22)}$${"h".repeat(43)}`;

describe("rules of access", () => {
  it("are read as they were written", () => {
    const name = fc.stringMatching(/^[a-z0-9*{}_.-]{1,20}$/);
    const rule = {
      name,
      scopes: fc.uniqueArray(fc.constantFrom(...scopes), { minLength: 1 }),
      devices: fc.array(name, { minLength: 1, maxLength: 3 }),
    };
    const expiresMs = fc.option(fc.integer({ min: 0, max: 4e12 }), { nil: undefined });
    const rules: fc.Arbitrary<AccessRules> = fc.record({
      tokens: fc.uniqueArray(
        fc.record({ ...rule, id: fc.stringMatching(/^[0-9a-f]{12}$/), sha256: fc.constant(sha256), expiresMs }),
        { selector: ({ id }) => id, maxLength: 3 },
      ),
      users: fc.array(fc.record({ ...rule, scrypt: fc.constant(scrypt), expiresMs }), { maxLength: 3 }),
      certificates: fc.array(fc.record(rule), { maxLength: 3 }),
    });
    fc.assert(
      fc.property(rules, (given) => {
        for (const kind of [given.tokens, given.users, given.certificates]) {
          const names = kind.map((each) => each.name);
          fc.pre(new Set(names).size === names.length);
        }
        expect(parseAccessRules(formatAccessRules(given))).toEqual(given);
      }),
    );
    expect(parseAccessRules("{}")).toEqual(noRules);
  });

  it.each<[string, unknown, string]>([
    ["no JSON", "{", "access file is no JSON"],
    ["a list", [], "access file is no object; write {} with the keys tokens, users, certificates"],
    ["a key that is none", { token: [] }, 'access file has the key "token"; its keys are tokens, users, certificates'],
    ["tokens that are no list", { tokens: {} }, "tokens is no list; write [] for none"],
    ["a token without a name", { tokens: [{ ...token, name: undefined }] }, "tokens[0].name is missing"],
    ["a colon in a name", { tokens: [{ ...token, name: "a:b" }] }, "tokens[0].name is not of its form"],
    ["a token in clear text", { tokens: [{ ...token, sha256: "tm_secret" }] }, "tokens[0].sha256 is not of its form"],
    ["a scope that is none", { tokens: [{ ...token, scopes: ["write"] }] }, 'tokens[0].scopes has "write"; choose of'],
    ["no scope", { tokens: [{ ...token, scopes: [] }] }, "tokens[0].scopes is empty; choose of ingest, query, admin"],
    ["ingest without devices", { tokens: [{ ...token, devices: [] }] }, "tokens[0].devices is empty; say which"],
    ["a time that is none", { tokens: [{ ...token, expires: "soon" }] }, 'tokens[0].expires is "soon"; write a time'],
    ["an id twice", { tokens: [token, { ...token, name: "b" }] }, 'tokens has "0123456789ab" twice'],
    [
      "a password in clear text",
      { users: [{ name: "a", scopes: ["query"], scrypt: "secret" }] },
      "users[0].scrypt is not",
    ],
    ["a strange key", { users: [{ name: "a", scopes: ["query"], password: "x" }] }, 'users[0] has the key "password"'],
  ])("are refused with %s, and no secret is told", (_, json, message) => {
    const text = typeof json === "string" ? json : JSON.stringify(json);
    expect(() => parseAccessRules(text)).toThrow(message);
    expect(() => parseAccessRules(text)).not.toThrow(/tm_secret|is "secret"/);
  });
});

describe("patterns of devices", () => {
  it.each([
    ["*", "anything", true],
    ["truck-*", "truck-7", true],
    ["truck-*", "truck", false],
    ["truck-7", "truck-7", true],
    ["truck-7", "truck-71", false],
  ])("%s stands for %s: %s", (pattern, deviceId, expected) => {
    expect(mayWrite([pattern], deviceId)).toBe(expected);
    expect(mayWrite(["other", pattern], deviceId)).toBe(expected);
  });

  it("of none stand for nothing", () => {
    expect(mayWrite([], "truck-7")).toBe(false);
  });
});

describe("secrets", () => {
  it("of tokens are found again, and no others", () => {
    const [made, other] = [makeToken(), makeToken()];
    const { id, secret } = readToken(made.token) ?? {};
    expect(id).toBe(made.id);
    expect(isTokenSecret(secret ?? "", made.sha256)).toBe(true);
    expect(isTokenSecret(secret ?? "", other.sha256)).toBe(false);
    expect(made.token).not.toContain(made.sha256);
    for (const wrong of ["", "tm_", made.token.slice(1), `${made.token}x`, made.sha256]) {
      expect(readToken(wrong)).toBeUndefined();
    }
  });

  it("of passwords are hashed with a salt", async () => {
    const [first, second] = [await hashPassword("correct horse"), await hashPassword("correct horse")];
    expect(first).not.toBe(second);
    expect(await isPassword("correct horse", first)).toBe(true);
    expect(await isPassword("correct horse ", second)).toBe(false);
    await expect(isPassword("x", "scrypt$30$8$1$ssssssssssssssssssssss$".concat("h".repeat(43)))).rejects.toThrow();
  });
});
