import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { describe, expect, it } from "vitest";
import { RuledAccess } from "../../lib/access/access.ts";
import { scopes } from "../../lib/access/principal.ts";
import { systemClock } from "../../lib/base/clock.ts";
import { BadRequestSchema, ErrorInfoSchema } from "../../proto/gen/google/rpc/error_details_pb.js";
import { DeviceService } from "../../proto/gen/telemetry/v1/device_service_pb.js";
import { IngestService, PushBatchRequestSchema } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { batch, registration } from "../support/batches.ts";
import { push, range } from "../support/query.ts";
import { collect } from "../support/rpc.ts";
import { serverOfFile, type TestServer } from "../support/server.ts";
import { ask, revokeAll, tokensOf } from "./support/http.ts";

const server = serverOfFile({}, { http: "127.0.0.1:0" });
const { rules, bearer } = tokensOf(scopes);
const access = new RuledAccess(rules, systemClock);
const guarded = serverOfFile({}, { http: "127.0.0.1:0", access });

const transports: readonly (readonly [string, (server: TestServer) => Transport])[] = [
  [
    "Connect, as JSON",
    ({ httpAddress }) =>
      createConnectTransport({ baseUrl: `http://${httpAddress}`, httpVersion: "1.1", useBinaryFormat: false }),
  ],
  [
    "Connect",
    ({ httpAddress }) =>
      createConnectTransport({ baseUrl: `http://${httpAddress}`, httpVersion: "1.1", useBinaryFormat: true }),
  ],
  [
    "Connect, reading by GET",
    ({ httpAddress }) =>
      createConnectTransport({ baseUrl: `http://${httpAddress}`, httpVersion: "1.1", useHttpGet: true }),
  ],
  ["gRPC-Web", ({ httpAddress }) => createGrpcWebTransport({ baseUrl: `http://${httpAddress}`, httpVersion: "1.1" })],
  ["gRPC, at its own port", ({ address }) => createGrpcTransport({ baseUrl: `http://${address}` })],
];

async function errorOf(run: Promise<unknown>): Promise<ConnectError> {
  return await run.then(
    () => Promise.reject(new Error("the call has not failed")),
    (error: unknown) => ConnectError.from(error),
  );
}

describe.each(transports)("a client of %s", (name, transportTo) => {
  const query = () => createClient(QueryService, transportTo(server()));

  it("pushes, and is counted once", async () => {
    const ingest = createClient(IngestService, transportTo(server()));
    const deviceId = `by ${name}`;
    const request = create(PushBatchRequestSchema, {
      registration: registration(deviceId),
      payload: { case: "batch", value: batch(1, [1, 2, 3]) },
    });
    for (let i = 0; i < 2; i += 1) {
      const { registered } = await ingest.pushBatch(request);
      expect(registered).toMatchObject({ ackedSequence: 1n, samplesCounted: 3n });
    }
    const { device } = await query().getDevice({ deviceId });
    expect(device?.samplesCounted).toBe(3n);
  });

  it("reads a stream", async () => {
    await push(server(), "press", 1, [1, 2]);
    const responses = await collect(query().queryRange(range(["press"])));
    expect(responses[0]?.info?.tier?.seconds).toBe(10n);
    expect(responses.flatMap(({ frame }) => frame?.counts ?? [])).toEqual([2]);
  });

  it("is told code, reason and field of what is wrong", async () => {
    const absent = await errorOf(query().getDevice({ deviceId: "nobody" }));
    expect(absent.code).toBe(Code.NotFound);
    expect(absent.findDetails(ErrorInfoSchema)[0]?.reason).toBe("DEVICE_NOT_FOUND");
    expect(absent.findDetails(BadRequestSchema)[0]?.fieldViolations[0]?.field).toBeDefined();
    const wrong = await errorOf(collect(query().queryRange({})));
    expect(wrong.code).toBe(Code.InvalidArgument);
    expect(wrong.findDetails(ErrorInfoSchema)[0]?.reason).toBe("INVALID_FIELD");
  });

  it("is told who may not call, with the reason", async () => {
    const devices = createClient(DeviceService, transportTo(guarded()));
    const guardedQuery = createClient(QueryService, transportTo(guarded()));
    const missing = await errorOf(guardedQuery.listDevices({}));
    expect(missing.code).toBe(Code.Unauthenticated);
    expect(missing.findDetails(ErrorInfoSchema)[0]?.reason).toBe("CREDENTIALS_MISSING");
    const stream = await errorOf(collect(guardedQuery.queryRange(range(["press"]))));
    expect(stream.code).toBe(Code.Unauthenticated);
    expect(stream.findDetails(ErrorInfoSchema)[0]?.reason).toBe("CREDENTIALS_MISSING");
    const other = await errorOf(devices.createDevice({ deviceId: "made" }, { headers: bearer("query") }));
    expect(other.code).toBe(Code.PermissionDenied);
    expect(other.findDetails(ErrorInfoSchema)[0]?.reason).toBe("SCOPE_MISSING");
    expect((await guardedQuery.listDevices({}, { headers: bearer("query") })).devices).toEqual([]);
  });
});

describe("over Connect", () => {
  const path = "/telemetry.v1.QueryService/ListDevices";

  it("methods whose clients stream are not there", async () => {
    const reply = await ask(server().httpAddress, "POST", "/telemetry.v1.IngestService/StreamBatches", { body: {} });
    expect(reply.status).toBe(404);
  });

  it("what changes something is not done by GET", async () => {
    const reply = await ask(
      server().httpAddress,
      "GET",
      "/telemetry.v1.DeviceService/CreateDevice?encoding=json&message={}",
    );
    expect(reply.status).toBe(405);
  });

  it("a plain JSON request is answered", async () => {
    const { status, json } = await ask(server().httpAddress, "POST", path, { body: { pageSize: 1 } });
    expect(status).toBe(200);
    expect(json.devices).toHaveLength(1);
  });

  it("a message that is too large, or compressed, is refused", async () => {
    const large = await ask(server().httpAddress, "POST", path, { body: { pageToken: "x".repeat(5 * 2 ** 20) } });
    expect(large.status).toBe(413);
    const gzip = await ask(server().httpAddress, "POST", path, { body: "x", headers: { "content-encoding": "gzip" } });
    expect([gzip.status, gzip.json.message]).toEqual([415, expect.stringContaining("gzip")]);
  });

  it.each<[string, string, string, Record<string, string>, number]>([
    ["is no JSON", "POST", path, { "content-type": "application/json" }, 400],
    ["is no protobuf", "POST", path, { "content-type": "application/proto" }, 400],
    [
      "has no envelope",
      "POST",
      "/telemetry.v1.QueryService/Subscribe",
      { "content-type": "application/connect+json" },
      200,
    ],
    ["is of an unknown type", "POST", path, { "content-type": "image/png" }, 415],
    ["is no protobuf, in the address", "GET", `${path}?encoding=proto&message=%FF%FF`, {}, 400],
    ["is no base64", "GET", `${path}?encoding=proto&base64=1&message=!!!`, {}, 400],
  ])(
    "a request that %s is refused as the sender's fault, and counted so",
    async (_, verb, address, headers, status) => {
      const body = verb === "GET" ? {} : { body: "{{{{" };
      const reply = await ask(server().httpAddress, verb, address, { ...body, headers });
      expect(reply.status).toBe(status);
      expect(reply.text).toContain('"code":"invalid_argument"');
      expect(reply.text).toMatch(/cannot be read|is not known/);
      const { text } = await ask(server().httpAddress, "GET", "/metrics");
      expect(text).toMatch(/rpc_response_status_code="INVALID_ARGUMENT"/);
      expect(text).not.toMatch(/rpc_response_status_code="CANCELLED"/);
    },
  );

  it("a deadline that is further away than any timer goes is none", async () => {
    for (const headers of [{ "connect-timeout-ms": "9999999999" }, { "grpc-timeout": "99999999H" }]) {
      const { status } = await ask(server().httpAddress, "POST", path, { body: {}, headers });
      expect(status).toBe(200);
    }
  });

  it("a stream of who is revoked ends, and says so", async () => {
    const own = createClient(
      QueryService,
      createConnectTransport({ baseUrl: `http://${guarded().httpAddress}`, httpVersion: "1.1" }),
    );
    const responses = own.subscribe({}, { headers: bearer("query") })[Symbol.asyncIterator]();
    await responses.next();
    revokeAll(access);
    const rest = async () => {
      while ((await responses.next()).done !== true);
    };
    const error = await errorOf(rest());
    expect(error.code).toBe(Code.Unauthenticated);
    expect(error.findDetails(ErrorInfoSchema)[0]?.reason).toBe("CREDENTIALS_REVOKED");
  });
});
