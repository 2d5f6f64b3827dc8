import { type IncomingMessage, request } from "node:http";
import { text } from "node:stream/consumers";
import { expect, it } from "vitest";
import { RuledAccess } from "../../lib/access/access.ts";
import { type Scope, scopes } from "../../lib/access/principal.ts";
import { systemClock } from "../../lib/base/clock.ts";
import { push } from "../support/query.ts";
import { startServer } from "../support/server.ts";
import { ask, linesOf, pushBody, reasonOf, revokeAll, tokensOf } from "./support/http.ts";

/** By what needs them: paths, with what is asked of them. */
const asked: readonly (readonly [Scope | "open", string, string, unknown?])[] = [
  ["query", "GET", "/metrics"],
  ["query", "GET", "/v1/devices"],
  ["query", "GET", "/v1/status"],
  ["query", "GET", "/v1/samples?from=2026-01-15T00:00:00Z&to=2026-01-16T00:00:00Z"],
  ["ingest", "POST", "/v1/batches", pushBody("press", 1, [1])],
  ["admin", "POST", "/v1/devices", { deviceId: "made" }],
  ["admin", "DELETE", "/v1/devices/made"],
  ["query", "POST", "/telemetry.v1.QueryService/ListDevices", {}],
  ["ingest", "POST", "/telemetry.v1.IngestService/PushBatch", pushBody("press", 1, [1])],
  ["admin", "POST", "/telemetry.v1.AdminService/ResetDevice", { deviceId: "press" }],
  ["open", "GET", "/livez"],
  ["open", "GET", "/openapi.json"],
  ["open", "GET", "/api/"],
  ["open", "POST", "/grpc.health.v1.Health/Check", {}],
];

async function startGuarded() {
  const { rules, bearer } = tokensOf(scopes);
  const access = new RuledAccess(rules, systemClock);
  const server = await startServer({}, { http: "127.0.0.1:0", access });
  return { server, access, bearer };
}

it("lets each scope do what it may, and nothing else", async () => {
  const { server, bearer } = await startGuarded();
  for (const [needed, verb, path, body] of asked) {
    const statusOf = async (headers: Record<string, string>) =>
      (await ask(server.httpAddress, verb, path, { body, headers })).status;
    const isOpen = needed === "open";
    expect([path, await statusOf({})]).toEqual([path, isOpen ? 200 : 401]);
    expect([path, await statusOf({ authorization: "Bearer wrong" })]).toEqual([path, isOpen ? 200 : 401]);
    for (const scope of scopes) {
      const status = await statusOf(bearer(scope));
      if (isOpen || scope === needed) expect([path, scope, [401, 403].includes(status)]).toEqual([path, scope, false]);
      else expect([path, scope, status]).toEqual([path, scope, 403]);
    }
  }
});

it("looks who calls before it reads what is sent", async () => {
  const { server } = await startGuarded();
  const reply = await ask(server.httpAddress, "POST", "/v1/batches", { body: "no JSON" });
  expect(reply.status).toBe(401);
  expect(reply.headers.get("www-authenticate")).toBe('Bearer realm="tidemark"');
  expect(reasonOf(reply)).toBe("CREDENTIALS_MISSING");
});

it("does not write a device that the rule does not name", async () => {
  const { rules, bearer } = tokensOf(["ingest"]);
  const named = { ...rules, tokens: rules.tokens.map((rule) => ({ ...rule, devices: ["allowed-*"] })) };
  const server = await startServer({}, { http: "127.0.0.1:0", access: new RuledAccess(named, systemClock) });
  const headers = bearer("ingest");
  const pushed = (device: string) =>
    ask(server.httpAddress, "POST", "/v1/batches", { body: pushBody(device, 1, [1]), headers });
  expect((await pushed("allowed-1")).status).toBe(200);
  expect(reasonOf(await pushed("other-1"))).toBe("DEVICE_NOT_ALLOWED");
});

it("ends the open stream of who is revoked, and says so in its last line", async () => {
  const { server, access, bearer } = await startGuarded();
  const lines: string[] = [];
  for await (const line of linesOf(server.httpAddress, "/v1/devices:watch", bearer("query"))) {
    lines.push(line);
    if (lines.length === 1) revokeAll(access);
  }
  const { error } = JSON.parse(lines.at(-1) ?? "");
  expect(error).toMatchObject({ code: 16, details: [{ reason: "CREDENTIALS_REVOKED" }] });
});

it("counts calls by HTTP with those by gRPC", async () => {
  const server = await startServer({}, { http: "127.0.0.1:0" });
  await push(server, "press", 1, [1]);
  await ask(server.httpAddress, "GET", "/v1/devices/press");
  await ask(server.httpAddress, "GET", "/v1/devices/nobody");
  const { text } = await ask(server.httpAddress, "GET", "/metrics");
  const count = (status: string) =>
    text.includes(
      `rpc_server_call_duration_seconds_count{rpc_method="telemetry.v1.QueryService/GetDevice",rpc_response_status_code="${status}"} 1`,
    );
  expect([count("OK"), count("NOT_FOUND")]).toEqual([true, true]);
});

it("does not take a batch whose sender was revoked while it came", async () => {
  const { server, access, bearer } = await startGuarded();
  const body = JSON.stringify(pushBody("press", 1, [1, 2]));
  const headers = { ...bearer("ingest"), "content-type": "application/json", "content-length": body.length };
  const { promise, resolve } = Promise.withResolvers<IncomingMessage>();
  const sending = request(`http://${server.httpAddress}/v1/batches`, { method: "POST", headers }, resolve);
  sending.write(body.slice(0, 10));
  const watching = linesOf(server.httpAddress, "/v1/devices:watch", bearer("query"));
  await watching.next();
  revokeAll(access);
  // Both are looked at together: when the stream has ended, the other call has, too.
  for await (const _ of watching);
  sending.end(body.slice(10));
  const answer = await promise;
  expect(answer.statusCode).toBe(401);
  expect(await text(answer)).toContain("CREDENTIALS_REVOKED");
});
