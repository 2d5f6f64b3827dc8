import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { type ServerOptions, TidemarkServer } from "../../cli/server.ts";
import { defaultTiers } from "../../lib/aggregate/tiers.ts";
import { silentLog } from "../../lib/base/log.ts";
import { Channel } from "../../lib/rpc/client.ts";
import {
  Health,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../proto/gen/grpc/health/v1/health_pb.js";
import { ServerReflection as ServerReflectionV1alpha } from "../../proto/gen/grpc/reflection/v1alpha/reflection_pb.js";
import { IngestService } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { registration } from "../support/batches.ts";
import { collect, failureOf } from "../support/rpc.ts";
import { checkout } from "./support/cli.ts";

const { SERVING, NOT_SERVING } = ServingStatus;
const [ingestName, queryName] = ["telemetry.v1.IngestService", "telemetry.v1.QueryService"];
const services = [
  "grpc.health.v1.Health",
  "grpc.reflection.v1.ServerReflection",
  "grpc.reflection.v1alpha.ServerReflection",
  "telemetry.v1.AdminService",
  "telemetry.v1.DeviceService",
  ingestName,
  queryName,
];

async function start(options: Partial<ServerOptions> = {}) {
  const dataDir = await mkdtemp(join(tmpdir(), "tidemark-health-"));
  const lines: string[] = [];
  const server = await TidemarkServer.start({
    dataDir,
    grpc: "127.0.0.1:0",
    tiers: defaultTiers,
    log: { ...silentLog, info: (message) => void lines.push(message), warn: (message) => void lines.push(message) },
    durability: "process",
    ...options,
  });
  // It would wait until there is space.
  const channel = new Channel(server.address, { retries: false });
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= server.stop();
    return stopped;
  };
  onTestFinished(async () => {
    await stop();
    channel.close();
    await rm(dataDir, { recursive: true });
  });
  const health = channel.client(Health, "messages");
  const watch = (service: string) => {
    const responses = health.watch({ service })[Symbol.asyncIterator]();
    /** The next status; undefined: it has ended with OK. */
    return async (): Promise<ServingStatus | undefined> => {
      const next = await responses.next();
      return next.done === true ? undefined : next.value.status;
    };
  };
  return { server, channel, health, watch, stop, lines };
}

describe("the health of a server", () => {
  it("has the whole, each service, and whether it answers at all", async () => {
    const { server, health } = await start();
    const { statuses } = await health.list({});
    expect(Object.keys(statuses).sort()).toEqual(["", ...services, "live"].sort());
    expect(new Set(Object.values(statuses).map(({ status }) => status))).toEqual(new Set([SERVING]));
    expect(server.isReady).toBe(true);
  });

  it("is told to those who watch when it drains, before their calls end", async () => {
    const { server, watch, stop } = await start();
    const [whole, query, live] = [watch(""), watch(queryName), watch("live")];
    for (const next of [whole, query, live]) expect(await next()).toBe(SERVING);
    const stopped = stop();
    expect(server.isReady).toBe(false);
    expect([await whole(), await whole()]).toEqual([NOT_SERVING, undefined]);
    expect([await query(), await query()]).toEqual([NOT_SERVING, undefined]);
    expect(await live()).toBeUndefined();
    await stopped;
  });

  it("is not that of ingest while the disk is full, and comes back by itself; queries go on", async () => {
    const { server, channel, watch, stop, lines } = await start({ fault: "disk-full:1" });
    const [whole, ingest, query] = [watch(""), watch(ingestName), watch(queryName)];
    for (const next of [whole, ingest, query]) expect(await next()).toBe(SERVING);
    const push = () => channel.client(IngestService, "messages").pushBatch({ registration: registration("press") });
    expect(await failureOf(push())).toMatchObject({ reason: "DISK_FULL" });
    expect([await whole(), await ingest()]).toEqual([NOT_SERVING, NOT_SERVING]);
    expect([await whole(), await ingest()]).toEqual([SERVING, SERVING]);
    expect(await push()).toMatchObject({ registered: {} });
    expect(server.isReady).toBe(true);
    expect(lines.filter((line) => line.includes("ready"))).toEqual([
      "not ready: the disk is full; nothing is acked until there is space, queries go on",
      "ready again",
    ]);
    // Nothing has come between: it has served all the time.
    void stop();
    expect([await query(), await query()]).toEqual([NOT_SERVING, undefined]);
  });
});

describe("stock tools", () => {
  const run = promisify(execFile);

  async function curl(...args: string[]): Promise<string> {
    const all = ["curl", "--protocol", "grpc", "--http2-prior-knowledge", ...args];
    const { stdout } = await run(join(checkout, "node_modules/.bin/buf"), all);
    return stdout;
  }

  it("call methods by reflection alone", async () => {
    const { server } = await start();
    const status = await curl(`http://${server.address}/telemetry.v1.AdminService/GetStatus`, "-d", "{}");
    expect(JSON.parse(status)).toMatchObject({ durability: "process" });
    const health = await curl(`http://${server.address}/grpc.health.v1.Health/Check`, "-d", "{}");
    expect(JSON.parse(health)).toEqual({ status: "SERVING" });
  });

  it("list the methods", async () => {
    const { server } = await start();
    const methods = (await curl("--list-methods", `http://${server.address}`)).trim().split("\n");
    expect(methods).toEqual(
      expect.arrayContaining([
        "telemetry.v1.QueryService/Subscribe",
        "grpc.health.v1.Health/Watch",
        "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
      ]),
    );
  });

  it("that know v1alpha only are answered too", async () => {
    const { channel } = await start();
    const stream = channel.client(ServerReflectionV1alpha, "messages").serverReflectionInfo();
    await stream.write({ messageRequest: { case: "listServices", value: "" } });
    stream.end();
    const [answer] = await collect(stream.responses);
    expect(answer?.messageResponse).toMatchObject({
      case: "listServicesResponse",
      value: { service: services.map((name) => ({ name })) },
    });
  });
});
