import type { DescMethod } from "@bufbuild/protobuf";
import { beforeAll, describe, expect, it } from "vitest";
import { bindingsOf } from "../../lib/http/rest/http-rule.ts";
import { AdminService } from "../../proto/gen/telemetry/v1/admin_service_pb.js";
import { DeviceService } from "../../proto/gen/telemetry/v1/device_service_pb.js";
import { IngestService } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { push, range, read } from "../support/query.ts";
import { serverOfFile } from "../support/server.ts";
import { ask, pushBody, reasonOf } from "./support/http.ts";

const services = [IngestService, QueryService, DeviceService, AdminService];
const bindings = bindingsOf(services.flatMap((service): DescMethod[] => service.methods));
const server = serverOfFile(
  {},
  { http: "127.0.0.1:0", keepRaw: { durationMs: 3_600_000, bytesMax: Number.POSITIVE_INFINITY } },
);

const day = "from=2026-01-15T00:00:00Z&to=2026-01-16T00:00:00Z";

interface Row {
  /** A request that is answered. */
  readonly good: { readonly path: string; readonly body?: unknown; readonly has: string };
  /** One that is refused, with what is wrong in it. */
  readonly bad: { readonly path: string; readonly body?: unknown; readonly status: number; readonly names: string };
}

/** By method: one that is called by HTTP and has no row here fails. */
const rows: Readonly<Record<string, Row>> = {
  ListDevices: {
    good: { path: "/v1/devices?pageSize=10&deviceIdPrefixes=press&labels=site=north", has: '"deviceId":"press"' },
    bad: { path: "/v1/devices?pageSize=many", status: 400, names: "page_size" },
  },
  GetDevice: {
    good: { path: "/v1/devices/press", has: '"ackedSequence":"2"' },
    bad: { path: "/v1/devices/nobody", status: 404, names: "nobody" },
  },
  WatchDevices: {
    good: { path: "/v1/devices:watch?device_id_prefixes=press", has: "LISTED" },
    bad: { path: "/v1/devices:watch?changesOnly=perhaps", status: 400, names: "changesOnly" },
  },
  ListMetrics: {
    good: { path: "/v1/metrics?selector.deviceIds=press", has: '"name":"temperature"' },
    bad: { path: "/v1/metrics?selector.devices=press", status: 400, names: "selector.devices" },
  },
  QueryRange: {
    good: { path: `/v1/aggregates?${day}&tier=10s&selector.deviceIds=press&quantiles=0.5`, has: '"counts":[' },
    bad: { path: "/v1/aggregates?from=yesterday&to=2026-01-16T00:00:00Z", status: 400, names: "Timestamp" },
  },
  Subscribe: {
    good: { path: "/v1/aggregates:subscribe?selector.deviceIds=press", has: '"heartbeat"' },
    bad: { path: "/v1/aggregates:subscribe?intervalMin=0.001s", status: 400, names: "interval_min" },
  },
  ReadSamples: {
    good: { path: `/v1/samples?${day}&selector.deviceIds=press`, has: '"values":[' },
    bad: { path: "/v1/samples", status: 400, names: "from" },
  },
  PushBatch: {
    good: { path: "/v1/batches", body: pushBody("pushed", 1, [1, 2]), has: '"samplesCounted"' },
    bad: { path: "/v1/batches", body: { registraton: {} }, status: 400, names: "registraton" },
  },
  CreateDevice: {
    good: { path: "/v1/devices", body: { deviceId: "made", labels: { site: "south" } }, has: '"site":"south"' },
    bad: { path: "/v1/devices", body: { deviceId: "press" }, status: 409, names: "press" },
  },
  UpdateDevice: {
    good: { path: "/v1/devices/press", body: { description: "blue", updateMask: "description" }, has: '"blue"' },
    bad: { path: "/v1/devices/press", body: { deviceId: "other" }, status: 400, names: "device_id" },
  },
  DeleteDevice: {
    good: { path: "/v1/devices/deleted?force=true", has: "{" },
    bad: { path: "/v1/devices/nobody", status: 404, names: "nobody" },
  },
  GetStatus: {
    good: { path: "/v1/status", has: '"durability":' },
    bad: { path: "/v1/status?verbose=true", status: 400, names: "verbose" },
  },
  ResetDevice: {
    good: { path: "/v1/devices/press/reset", body: {}, has: "{" },
    bad: { path: "/v1/devices/nobody/reset", body: {}, status: 404, names: "nobody" },
  },
};

beforeAll(async () => {
  await push(server(), "press", 1, [1, 2, 3], { labels: { site: "north" } });
  await push(server(), "press", 2, [4], { labels: { site: "north" } });
  await push(server(), "deleted", 1, [1]);
});

describe("every method that is called by HTTP", () => {
  it("has a row here", () => {
    expect(bindings.map(({ method }) => method.name).sort()).toEqual(Object.keys(rows).sort());
  });

  const streams = bindings.filter(({ method }) => method.methodKind === "server_streaming");
  const unary = bindings.filter(({ method }) => method.methodKind === "unary");

  it.each(unary.map((binding) => [binding.method.name, binding.verb] as const))(
    "answers %s by %s",
    async (name, verb) => {
      const { path, body, has } = (rows[name] as Row).good;
      const reply = await ask(server().httpAddress, verb, path, { body });
      expect(reply.text).toContain(has);
      expect(reply.status).toBe(200);
      expect(reply.headers.get("content-type")).toBe("application/json");
      expect(reply.headers.get("access-control-allow-origin")).toBeNull();
    },
  );

  it.each(streams.map(({ method }) => [method.name] as const))("streams %s", async (name) => {
    const { path, has } = (rows[name] as Row).good;
    const leaving = new AbortController();
    const response = await fetch(`http://${server().httpAddress}${path}`, { signal: leaving.signal });
    expect(response.headers.get("content-type")).toBe("application/x-ndjson");
    let text = "";
    for await (const piece of (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream())) {
      text += piece;
      if (text.includes(has)) break;
    }
    leaving.abort();
    expect(text).toContain(has);
  });

  it.each(bindings.map(({ method, verb }) => [method.name, verb] as const))(
    "refuses what is wrong in %s by %s, and names it",
    async (name, verb) => {
      const { path, body, status, names } = (rows[name] as Row).bad;
      const reply = await ask(server().httpAddress, verb, path, { body });
      expect(reply.json?.message).toContain(names);
      expect(reply.status).toBe(status);
      expect(reasonOf(reply)).toBeDefined();
    },
  );
});

describe("a request by HTTP", () => {
  const get = (path: string, headers?: Record<string, string>) =>
    ask(server().httpAddress, "GET", path, headers === undefined ? {} : { headers });
  const post = (path: string, body: unknown, headers?: Record<string, string>) =>
    ask(server().httpAddress, "POST", path, { body, ...(headers !== undefined && { headers }) });

  it("counts a batch once, however often it is pushed", async () => {
    for (let i = 0; i < 2; i += 1) {
      const { json, status } = await post("/v1/batches", pushBody("twice", 1, [1, 2, 3]));
      expect(status).toBe(200);
      expect(json.registered).toMatchObject({ ackedSequence: "1", samplesCounted: "3" });
    }
    const { windows } = await read(server(), range(["twice"]));
    expect(windows.map(({ count }) => count)).toEqual([3]);
  });

  it("is told of a hole in the sequence, as by gRPC", async () => {
    const reply = await post("/v1/batches", pushBody("holed", 5, [1]));
    expect(reply.status).toBe(400);
    expect(reply.json.code).toBe(9);
    expect(reasonOf(reply)).toBe("SEQUENCE_GAP");
  });

  it("names a device by any characters", async () => {
    const deviceId = "a/b %{}é";
    await push(server(), deviceId, 1, [1]);
    const { json } = await get(`/v1/devices/${encodeURIComponent(deviceId)}`);
    expect(json.device.deviceId).toBe(deviceId);
    expect((await get("/v1/devices/%ff")).json.message).toContain("device_id");
  });

  it("tells what is zero or empty too, and 64 bits as text", async () => {
    const { json } = await get("/v1/status");
    expect(json).toMatchObject({ storeProblem: "", samplesRefused: "0" });
  });

  it.each([
    ["{", "MALFORMED_MESSAGE"],
    ["[]", "MALFORMED_MESSAGE"],
    ["null", "MALFORMED_MESSAGE"],
    ['{"deviceId": 7}', "INVALID_FIELD"],
    ['{"labels": {"site": 7}}', "INVALID_FIELD"],
    ['{"__proto__": {}}', "MALFORMED_MESSAGE"],
    [`${'{"labels":'.repeat(1_000)}{}${"}".repeat(1_000)}`, undefined],
  ])("is refused for the body %.30s", async (body, reason) => {
    const reply = await post("/v1/devices", body);
    expect(reply.status).toBe(400);
    if (reason !== undefined) expect(reasonOf(reply)).toBe(reason);
  });

  it("is refused for a body of another type, which a page of another origin could send", async () => {
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"]) {
      const reply = await post("/v1/devices", { deviceId: "forged" }, { "content-type": type });
      expect(reply.status).toBe(415);
    }
    expect((await post("/v1/devices", "{}", { "content-encoding": "gzip" })).status).toBe(415);
    expect((await get("/v1/devices/forged")).status).toBe(404);
  });

  it("is refused for a parameter that is given twice, or once too often in a map", async () => {
    expect((await get("/v1/devices?pageSize=1&pageSize=2")).json.message).toContain("pageSize is given 2 times");
    expect((await get("/v1/devices?labels=a=1&labels=a=2")).json.message).toContain("twice");
    expect((await get("/v1/devices?labels=a")).json.message).toContain("KEY=VALUE");
  });
});
