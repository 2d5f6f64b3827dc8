import { describe, expect, it, onTestFinished } from "vitest";
import { RuledAccess } from "../../lib/access/access.ts";
import { noRules } from "../../lib/access/access-rules.ts";
import { systemClock } from "../../lib/base/clock.ts";
import { type LogFields, silentLog } from "../../lib/base/log.ts";
import { type CallOver, logCalls } from "../../lib/rpc/call-over.ts";
import { Channel } from "../../lib/rpc/client.ts";
import { Direct } from "../../lib/rpc/direct-call.ts";
import { everyMethod } from "../../lib/rpc/gate.ts";
import { RpcServer, type RpcServerOptions } from "../../lib/rpc/server.ts";
import { IngestService } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { collect, failureOf } from "../support/rpc.ts";

/** A server of calls that answer, fail, or never end, and what it tells of them. */
async function observed(options: RpcServerOptions = {}) {
  const calls: CallOver[] = [];
  let told: () => void = () => {};
  const rpc = new RpcServer(silentLog, {
    ...options,
    onCallOver(call) {
      calls.push(call);
      told();
    },
  });
  const query = {
    getDevice: async () => ({}),
    listDevices: () => new Promise(() => {}),
    async *subscribe() {
      yield {};
    },
  };
  rpc.add(QueryService, "messages", query as never, everyMethod(QueryService, "query"));
  const ingest = {
    streamBatches: new Direct((call) => ({ onMessage: () => true, onEnd: () => call.end(), onOver() {} })),
  };
  rpc.add(IngestService, "bytes", ingest as never, everyMethod(IngestService, "ingest"));
  const { address } = await rpc.listen("127.0.0.1:0");
  const channel = new Channel(address);
  onTestFinished(async () => {
    channel.close();
    await rpc.close(0);
  });
  /** So many calls are over: their method and status. */
  const over = async (count: number) => {
    while (calls.length < count) await new Promise<void>((resolve) => (told = resolve));
    return calls.map(({ path, status }) => `${path.slice(path.lastIndexOf("/") + 1)} ${status}`);
  };
  return {
    calls,
    over,
    query: channel.client(QueryService, "messages"),
    ingest: channel.client(IngestService, "bytes"),
  };
}

describe("a call that is over is told", () => {
  it("with method, status, client and time, whatever kind it is and whichever way it goes", async () => {
    const { query, ingest, over, calls } = await observed();
    await query.getDevice({});
    await collect(query.subscribe({}));
    const direct = ingest.streamBatches();
    direct.end();
    await collect(direct.responses);
    const throughGrpc = ingest.streamBatches({ timeoutMs: 10_000 });
    throughGrpc.end();
    await collect(throughGrpc.responses);
    expect((await over(4)).sort()).toEqual(["GetDevice OK", "StreamBatches OK", "StreamBatches OK", "Subscribe OK"]);
    for (const { peer, durationMs } of calls) {
      expect(peer).toMatch(/^127\.0\.0\.1:\d+$/);
      expect(durationMs).toBeGreaterThanOrEqual(0);
    }
  });

  it("when its client has gone", async () => {
    const { query, ingest, over } = await observed();
    const leaving = new AbortController();
    const unanswered = failureOf(query.listDevices({}, { signal: leaving.signal }));
    const stream = ingest.streamBatches({ signal: leaving.signal });
    await stream.write(new Uint8Array(1));
    // Both are there before they are left.
    await query.getDevice({});
    leaving.abort();
    await unanswered;
    const ended = (await over(3)).sort();
    expect(ended).toEqual(["GetDevice OK", "ListDevices CANCELLED", "StreamBatches CANCELLED"]);
  });

  it("when it was not let in", async () => {
    const { query, ingest, over } = await observed({ access: new RuledAccess(noRules, systemClock) });
    await failureOf(query.getDevice({}));
    await failureOf(ingest.streamBatches().responses);
    expect((await over(2)).sort()).toEqual(["GetDevice UNAUTHENTICATED", "StreamBatches UNAUTHENTICATED"]);
  });
});

it("ends a unary call that takes too long, with or without a deadline of its client", async () => {
  const { query, over } = await observed({ unaryMsMax: 50 });
  expect(await failureOf(query.listDevices({}))).toMatchObject({
    status: "DEADLINE_EXCEEDED",
    reason: "TOOK_TOO_LONG",
    message: expect.stringContaining("within 50ms"),
  });
  expect(await over(1)).toEqual(["ListDevices DEADLINE_EXCEEDED"]);
});

describe("the log of calls", () => {
  function logged() {
    const lines: { level: string; message: string; fields: LogFields | undefined }[] = [];
    let nowMs = 0;
    const log = {
      debug: (message: string, fields?: LogFields) => void lines.push({ level: "debug", message, fields }),
      info: (message: string, fields?: LogFields) => void lines.push({ level: "info", message, fields }),
      warn: (message: string, fields?: LogFields) => void lines.push({ level: "warn", message, fields }),
    };
    const onCallOver = logCalls(log, { nowMs: () => nowMs, elapsedMs: () => nowMs });
    const call = (status: string) => onCallOver({ path: "/a.v1.B/C", status, durationMs: 1.23456, peer: "10.0.0.1:5" });
    return {
      lines,
      call,
      pass: (ms: number) => (nowMs += ms),
      warnings: () => lines.filter(({ level }) => level === "warn"),
    };
  }

  it("has each at the level debug, by OpenTelemetry's names", () => {
    const { lines, call } = logged();
    call("OK");
    expect(lines).toEqual([
      {
        level: "debug",
        message: "call",
        fields: {
          "rpc.system.name": "grpc",
          "rpc.method": "a.v1.B/C",
          "rpc.response.status_code": "OK",
          "client.address": "10.0.0.1:5",
          durationMs: 1.235,
        },
      },
    ]);
  });

  it("warns of refused ones, once in a while, with how many there were", () => {
    const { call, pass, warnings } = logged();
    for (let i = 0; i < 1_000; i += 1) call("UNAUTHENTICATED");
    call("PERMISSION_DENIED");
    expect(warnings().map(({ message }) => message)).toEqual([
      "a call of a.v1.B/C by 10.0.0.1:5 was refused: UNAUTHENTICATED",
      "a call of a.v1.B/C by 10.0.0.1:5 was refused: PERMISSION_DENIED",
    ]);
    pass(10_000);
    call("UNAUTHENTICATED");
    expect(warnings().at(-1)?.message).toBe(
      "a call of a.v1.B/C by 10.0.0.1:5 was refused: UNAUTHENTICATED; 999 others were since the last warning",
    );
  });
});
