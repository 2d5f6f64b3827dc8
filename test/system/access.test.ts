import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DescMethod } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { TidemarkServer } from "../../cli/server.ts";
import { RuledAccess } from "../../lib/access/access.ts";
import { type AccessRules, noRules } from "../../lib/access/access-rules.ts";
import { type Scope, scopes } from "../../lib/access/principal.ts";
import { hashPassword, makeToken } from "../../lib/access/secrets.ts";
import { defaultTiers } from "../../lib/aggregate/tiers.ts";
import { systemClock } from "../../lib/base/clock.ts";
import { TelemetryError } from "../../lib/base/errors.ts";
import { silentLog } from "../../lib/base/log.ts";
import { methodsOf } from "../../lib/rpc/binding.ts";
import { makeAuthority, makeClientPair, makeServerPair } from "../../lib/rpc/certificates.ts";
import { Channel, type ChannelOptions, type ClientStream, type ClientUpload } from "../../lib/rpc/client.ts";
import type { MethodScope } from "../../lib/rpc/gate.ts";
import type { ClientTls } from "../../lib/rpc/tls.ts";
import { Health } from "../../proto/gen/grpc/health/v1/health_pb.js";
import { ServerReflection } from "../../proto/gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as ServerReflectionV1alpha } from "../../proto/gen/grpc/reflection/v1alpha/reflection_pb.js";
import { AdminService } from "../../proto/gen/telemetry/v1/admin_service_pb.js";
import { DeviceService } from "../../proto/gen/telemetry/v1/device_service_pb.js";
import { IngestService, RejectReason } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { asBatches, asRegistration, batch, registration } from "../support/batches.ts";
import { collect, failureOf } from "../support/rpc.ts";

/** Every method by every kind of caller: a method that is new and has no row here fails. */

const services = [IngestService, QueryService, DeviceService, AdminService, Health, ServerReflection];
const methods: readonly [string, DescMethod][] = [
  ...services.flatMap((service) => methodsOf(service)),
  ...methodsOf(ServerReflectionV1alpha).map(([name, method]): [string, DescMethod] => [`${name} of v1alpha`, method]),
];
const needed: Readonly<Record<string, MethodScope>> = {
  pushBatch: "ingest",
  uploadBatches: "ingest",
  streamBatches: "ingest",
  listDevices: "query",
  getDevice: "query",
  watchDevices: "query",
  listMetrics: "query",
  queryRange: "query",
  subscribe: "query",
  readSamples: "query",
  getStatus: "query",
  createDevice: "admin",
  updateDevice: "admin",
  deleteDevice: "admin",
  resetDevice: "admin",
  backUp: "admin",
  check: "open",
  list: "open",
  watch: "open",
  serverReflectionInfo: "open",
  "serverReflectionInfo of v1alpha": "open",
};

const tokens = Object.fromEntries(
  ["ingest", "query", "admin", "expired", "revoked", "unknown", "revocable"].map((name) => [name, makeToken()]),
);
const rule = (name: string, given: readonly Scope[], expiresMs?: number) => {
  const { id, sha256 } = tokens[name] ?? makeToken();
  return { name, id, sha256, scopes: given, devices: ["allowed-*"], expiresMs };
};

let server: TidemarkServer;
let access: RuledAccess;
let rules: AccessRules;
let tls: ClientTls;
let pairs: Readonly<Record<string, ClientTls["pair"]>>;
let dataDir: string;

beforeAll(async () => {
  const [authority, other] = [await makeAuthority("test", 1), await makeAuthority("other", 1)];
  rules = {
    tokens: [...scopes.map((scope) => rule(scope, [scope])), rule("expired", scopes, 1), rule("revocable", scopes)],
    users: [{ name: "anna", scrypt: await hashPassword("password"), scopes: ["query"], devices: [] }],
    certificates: [{ name: "*", scopes: ["ingest"], devices: ["{name}"] }],
  };
  access = new RuledAccess(rules, systemClock);
  dataDir = await mkdtemp(join(tmpdir(), "tidemark-access-"));
  server = await TidemarkServer.start({
    dataDir,
    grpc: "127.0.0.1:0",
    tls: { ...(await makeServerPair(authority, ["127.0.0.1"], 1)), clientCa: authority.cert, clientsMayHaveNone: true },
    access,
    tiers: defaultTiers,
    log: silentLog,
    durability: "process",
  });
  tls = { ca: authority.cert };
  pairs = {
    valid: await makeClientPair(authority, "press", 1),
    "wrong authority": await makeClientPair(other, "press", 1),
    expired: await makeClientPair(authority, "press", -1),
  };
});
afterAll(async () => {
  await server.stop();
  await rm(dataDir, { recursive: true });
});

function channelTo(options: ChannelOptions): Channel {
  const channel = new Channel(server.address, { tls, ...options });
  onTestFinished(() => channel.close());
  return channel;
}

const bearer = (name: string) => ({ authorization: `Bearer ${tokens[name]?.token}` });
const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString("base64")}` });

/** Leaving the loop cancels the call. */
async function firstOf(responses: AsyncIterable<unknown>): Promise<void> {
  const reading = responses[Symbol.asyncIterator]();
  await reading.next();
  await reading.return?.();
}

/** Calls a method with an empty request. @returns the reason of its failure; empty: it was let in */
async function verdict(channel: Channel, { methodKind, parent, localName }: DescMethod): Promise<string> {
  const client = channel.client(parent, "bytes") as Record<string, (...args: unknown[]) => unknown>;
  const run = (...args: unknown[]) => client[localName]?.(...args);
  const request = new Uint8Array();
  try {
    if (methodKind === "unary") await run(request, { timeoutMs: 10_000 });
    else if (methodKind === "client_streaming") await (run() as ClientUpload<unknown, unknown>).finish();
    else if (methodKind === "server_streaming") await firstOf(run(request) as AsyncIterable<unknown>);
    else {
      const stream = run() as ClientStream<unknown, unknown>;
      stream.end();
      await collect(stream.responses);
    }
    return "";
  } catch (error) {
    if (!(error instanceof TelemetryError)) throw error;
    const isRefused = ["UNAUTHENTICATED", "PERMISSION_DENIED", "UNAVAILABLE"].includes(error.status);
    return isRefused ? error.reason : "";
  }
}

async function verdicts(options: ChannelOptions): Promise<Record<string, string>> {
  const channel = channelTo(options);
  const entries = await Promise.all(methods.map(async ([name, method]) => [name, await verdict(channel, method)]));
  return Object.fromEntries(entries);
}

/** What each method comes to: an open one answers whoever calls. */
const forAll = (of: (scope: Scope) => string, open = "") =>
  Object.fromEntries(Object.entries(needed).map(([name, scope]) => [name, scope === "open" ? open : of(scope)]));

describe("every method", () => {
  it("has a row", () => {
    expect(methods.map(([name]) => name).sort()).toEqual(Object.keys(needed).sort());
  });

  it.each<[string, () => ChannelOptions, string]>([
    ["nothing", () => ({}), "CREDENTIALS_MISSING"],
    ["a token that is not known", () => bearer("unknown"), "CREDENTIALS_INVALID"],
    ["a token that has expired", () => bearer("expired"), "CREDENTIALS_EXPIRED"],
    ["a token that was revoked", () => bearer("revoked"), "CREDENTIALS_INVALID"],
    ["a wrong password", () => basic("anna:pass"), "CREDENTIALS_INVALID"],
  ])("refuses %s, unless it is open", async (_, options, reason) => {
    expect(await verdicts(options())).toEqual(forAll(() => reason));
  });

  it.each<[string, () => ChannelOptions]>([
    ["a certificate of another authority", () => ({ tls: { ...tls, pair: pairs["wrong authority"] } })],
    ["a certificate that has ended", () => ({ tls: { ...tls, pair: pairs["expired"] } })],
  ])("cannot be called with %s", async (_, options) => {
    expect(await verdicts(options())).toEqual(forAll(() => "UNAVAILABLE", "UNAVAILABLE"));
  });

  it.each(scopes)("takes a token with the scope %s where that is needed, and nowhere else", async (scope) => {
    expect(await verdicts(bearer(scope))).toEqual(forAll((each) => (each === scope ? "" : "SCOPE_MISSING")));
  });

  it("goes by the scopes of users and certificates too, and of calls that grpc-js carries", async () => {
    const only = (scope: Scope) => forAll((each) => (each === scope ? "" : "SCOPE_MISSING"));
    expect(await verdicts(basic("anna:password"))).toEqual(only("query"));
    expect(await verdicts({ tls: { ...tls, pair: pairs["valid"] } })).toEqual(only("ingest"));
    expect(await verdicts({ gzip: true, ...bearer("ingest") })).toEqual(only("ingest"));
    expect(await verdicts({ gzip: true })).toEqual(forAll(() => "CREDENTIALS_MISSING"));
  });
});

describe("a device that may not be written", () => {
  const message = 'registration.device_id is "other"; token "ingest" may write "allowed-*"';

  it("is refused in a push and an upload, and one that may is taken", async () => {
    const ingest = channelTo(bearer("ingest")).client(IngestService, "messages");
    expect(await failureOf(ingest.pushBatch({ registration: registration("other") }))).toMatchObject({
      status: "PERMISSION_DENIED",
      reason: "DEVICE_NOT_ALLOWED",
      message,
    });
    const upload = ingest.uploadBatches();
    await upload.write(asRegistration(registration("other")));
    expect(await failureOf(upload.finish())).toMatchObject({ reason: "DEVICE_NOT_ALLOWED" });
    expect(await ingest.pushBatch({ registration: registration("allowed-1") })).toMatchObject({ registered: {} });
  });

  it("is rejected on a stream, which goes on with the others", async () => {
    const stream = channelTo(bearer("ingest")).client(IngestService, "messages").streamBatches();
    await stream.write(asRegistration(registration("other", { handle: 1 })));
    await stream.write(asRegistration(registration("allowed-2", { handle: 2 })));
    await stream.write(asBatches(batch(1, [1], { handle: 2 })));
    stream.end();
    const answers = (await collect(stream.responses)).map((response) => response.message);
    expect(answers.filter(({ case: kind }) => kind === "reject")).toMatchObject([
      { value: { deviceHandle: 1, reason: RejectReason.DEVICE_NOT_ALLOWED, detail: message } },
    ]);
    expect(answers.filter(({ case: kind }) => kind === "ack")).toMatchObject([
      { value: { devices: [{ deviceHandle: 2, ackedSequence: 1n }] } },
    ]);
  });

  it("is another's than the certificate's own", async () => {
    const ingest = channelTo({ tls: { ...tls, pair: pairs["valid"] } }).client(IngestService, "messages");
    expect(await ingest.pushBatch({ registration: registration("press") })).toMatchObject({ registered: {} });
    expect(await failureOf(ingest.pushBatch({ registration: registration("press-2") }))).toMatchObject({
      reason: "DEVICE_NOT_ALLOWED",
    });
  });
});

describe("what was revoked", () => {
  it("ends with what it has open, streams of batches and subscriptions alike, and the others go on", async () => {
    const revoked = channelTo(bearer("revocable"));
    const kept = channelTo(bearer("query"));
    const streams = [false, true].map((gzip) =>
      channelTo({ ...bearer("revocable"), gzip })
        .client(IngestService, "messages")
        .streamBatches(),
    );
    const answers = streams.map((stream) => stream.responses[Symbol.asyncIterator]());
    for (const [i, stream] of streams.entries()) {
      await stream.write(asRegistration(registration(`allowed-revoked-${i}`)));
      await answers[i]?.next();
    }
    const watch = (channel: Channel) =>
      channel.client(QueryService, "messages").subscribe({ snapshotFrom: {} })[Symbol.asyncIterator]();
    const [ending, going] = [watch(revoked), watch(kept)];
    await Promise.all([ending.next(), going.next()]);
    access.setRules({ ...rules, tokens: rules.tokens.filter(({ name }) => name !== "revocable") });
    onTestFinished(() => access.setRules(rules));
    const failures = [ending, ...answers].map((each) =>
      failureOf(
        (async () => {
          while (!(await each?.next())?.done);
        })(),
      ),
    );
    for (const failure of failures) {
      expect(await failure).toMatchObject({ status: "UNAUTHENTICATED", reason: "CREDENTIALS_REVOKED" });
    }
    const next = await going.next();
    expect(next.done).toBe(false);
    await going.return?.();
  });

  it("is nobody any more, when the rules are empty", async () => {
    access.setRules(noRules);
    onTestFinished(() => access.setRules(rules));
    expect(await verdicts(bearer("query"))).toEqual(forAll(() => "CREDENTIALS_INVALID"));
  });
});
