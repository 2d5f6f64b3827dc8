import { Code, ConnectError } from "@connectrpc/connect";
import { expect, it } from "vitest";
import { connectionText, endingOf } from "../../../query/dashboard/src/api/resume.ts";

it.each<[string, unknown, boolean, string]>([
  ["the server drained", undefined, true, "again"],
  ["the network is away", new TypeError("Failed to fetch"), true, "again"],
  ["the server is away", new ConnectError("", Code.Unavailable), true, "again"],
  ["the stream was cut", new ConnectError("", Code.Canceled), true, "again"],
  ["there is too much", new ConnectError("", Code.ResourceExhausted), false, "again"],
  ["the token is of another store", new ConnectError("", Code.FailedPrecondition), true, "anew"],
  ["the token is not read", new ConnectError("", Code.InvalidArgument), true, "anew"],
  ["the request is wrong", new ConnectError("", Code.InvalidArgument), false, "refused"],
  ["the device is unknown", new ConnectError("", Code.NotFound), false, "refused"],
  ["it is not allowed", new ConnectError("", Code.PermissionDenied), true, "refused"],
  ["credentials were revoked", new ConnectError("", Code.Unauthenticated), true, "unauthenticated"],
])("when %s", (_, error, hasToken, kind) => {
  expect(endingOf(error, hasToken).kind).toBe(kind);
});

it("says what happened, and nothing while all is well", () => {
  expect(connectionText({ kind: "live" })).toBeUndefined();
  expect(connectionText({ kind: "reconnecting", tries: 3 })).toMatch(/reconnecting.*3/);
  expect(connectionText({ kind: "resumed", afterMs: 1_234, isWhole: true })).toBe("resumed without a hole after 1.2 s");
  expect(connectionText({ kind: "resumed", afterMs: 0, isWhole: false })).not.toMatch(/hole/);
});
