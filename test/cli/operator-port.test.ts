import { beforeAll, describe, expect, it } from "vitest";
import { RuledAccess } from "../../lib/access/access.ts";
import { noRules } from "../../lib/access/access-rules.ts";
import { makeToken } from "../../lib/access/secrets.ts";
import { systemClock } from "../../lib/base/clock.ts";
import { AdminService } from "../../proto/gen/telemetry/v1/admin_service_pb.js";
import { metrics as documented } from "../deploy/metrics.ts";
import { push } from "../support/query.ts";
import { serverOfFile, startServer } from "../support/server.ts";

async function getOf(address: string, path: string, init: RequestInit = {}) {
  const response = await fetch(`http://${address}${path}`, init);
  return { status: response.status, text: await response.text(), headers: response.headers };
}

/** Values of a metric, by its labels as they are written. */
function valuesOf(text: string, name: string): ReadonlyMap<string, number> {
  const lines = text.split("\n").filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(" ");
      return [line.slice(name.length, space), Number(line.slice(space + 1))];
    }),
  );
}

describe("the HTTP port", () => {
  const server = serverOfFile({}, { http: "127.0.0.1:0", durability: "fsync" });
  const get = (path: string, init?: RequestInit) => getOf(server().httpAddress, path, init);

  beforeAll(async () => {
    for (const device of ["press", "lathe", "saw"]) {
      for (const sequence of [1, 2, 3, 4]) await push(server(), device, sequence, [1, 2, 3]);
    }
    await server().channel.client(AdminService, "messages").getStatus({});
  });

  it("has what was counted, stored and asked for in the form of Prometheus", async () => {
    const { status, text, headers } = await get("/metrics");
    expect(status).toBe(200);
    expect(headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
    const value = (name: string, labels = "") => valuesOf(text, name).get(labels);
    expect(value("tidemark_samples_counted_total")).toBe(36);
    expect(value("tidemark_acks_total")).toBe(12);
    expect(value("tidemark_series")).toBe(3);
    expect(value("tidemark_ready")).toBe(1);
    expect(value("tidemark_fsyncs_total")).toBeGreaterThanOrEqual(value("tidemark_groups_total") ?? Number.NaN);
    expect(value("tidemark_commit_duration_seconds_count")).toBe(value("tidemark_groups_total"));
    const infinite = value("tidemark_commit_duration_seconds_bucket", '{le="+Inf"}');
    expect(infinite).toBe(value("tidemark_commit_duration_seconds_count"));
    const asked = '{rpc_method="telemetry.v1.AdminService/GetStatus",rpc_response_status_code="OK"}';
    expect(value("rpc_server_call_duration_seconds_count", asked)).toBe(1);
    const sent = '{rpc_method="telemetry.v1.IngestService/PushBatch",rpc_response_status_code="OK"}';
    expect(value("rpc_server_call_duration_seconds_count", sent)).toBe(12);
  });

  it("has every metric that the documents and dashboards name, and no label that clients choose", async () => {
    const { text } = await get("/metrics");
    const names = new Set([...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name = ""]) => name));
    const withoutTls = Object.keys(documented).filter((name) => name !== "tidemark_certificate_not_after_seconds");
    expect(withoutTls.filter((name) => !names.has(name))).toEqual([]);
    const undocumented = [...names].filter((name) => /^(tidemark|rpc)_/.test(name) && !(name in documented));
    expect(undocumented).toEqual([]);
    const labels = new Set([...text.matchAll(/[{,]([a-z_]+)="/g)].map(([, label]) => label));
    for (const label of ["device", "device_id", "metric", "principal"]) expect(labels).not.toContain(label);
  });

  it("counts on from reading to reading", async () => {
    const count = async () => [...valuesOf((await get("/metrics")).text, "tidemark_samples_counted_total").values()][0];
    const before = await count();
    await push(server(), "drill", 1, [1, 2]);
    expect(await count()).toBe((before ?? Number.NaN) + 2);
  });

  it("tells that it lives and is ready", async () => {
    expect(await get("/livez")).toMatchObject({ status: 200, text: "live\n" });
    expect(await get("/readyz")).toMatchObject({ status: 200, text: "ready\n" });
  });

  it("refuses what it does not have, and says what there is", async () => {
    const absent = await get("/admin");
    expect(absent.status).toBe(404);
    expect(JSON.parse(absent.text)).toMatchObject({
      code: 5,
      message: "there is nothing at this path; /openapi.json tells what there is",
      details: [{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "PATH_NOT_FOUND" }],
    });
    const posted = await get("/metrics", { method: "POST", body: "x".repeat(100_000) });
    expect(posted.status).toBe(405);
    expect(posted.headers.get("allow")).toBe("GET, HEAD, OPTIONS");
    expect(await get("/livez", { method: "HEAD" })).toMatchObject({ status: 200, text: "" });
    expect((await get("/livez", { headers: { padding: "x".repeat(20_000) } })).status).toBe(431);
  });
});

it("asks for a token of the scope query, but not for probes, where there are rules", async () => {
  const tokens = { query: makeToken(), ingest: makeToken() };
  const rule = (scope: "query" | "ingest") => {
    const { id, sha256 } = tokens[scope];
    return { name: scope, id, sha256, scopes: [scope], devices: ["*"] };
  };
  const rules = { ...noRules, tokens: [rule("query"), rule("ingest")] };
  const server = await startServer({}, { http: "127.0.0.1:0", access: new RuledAccess(rules, systemClock) });
  const get = (path: string, token?: string) =>
    getOf(server.httpAddress, path, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } });
  const refused = await get("/metrics");
  expect(refused).toMatchObject({ status: 401 });
  expect(refused.headers.get("www-authenticate")).toBe('Bearer realm="tidemark"');
  expect(JSON.parse(refused.text)).toMatchObject({ details: [{ reason: "CREDENTIALS_MISSING" }] });
  expect((await get("/metrics", "wrong")).status).toBe(401);
  expect((await get("/metrics", tokens.ingest.token)).status).toBe(403);
  expect((await get("/metrics", tokens.query.token)).status).toBe(200);
  expect((await get("/readyz")).status).toBe(200);
});
