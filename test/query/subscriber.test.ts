import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  heartbeatIntervalMs,
  liveWindowBytes,
  selectionBytesMax,
  subscriberEndMsMax,
  subscriberReadMsMax,
  subscriberReadsMax,
} from "../../lib/base/limits.ts";
import { FrameReader, type Window } from "../../lib/wire/window-frame.ts";
import { type SubscribeResponse, SubscriptionEndReason } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { TokenScope } from "../../query/resume-token.ts";
import { dayMs } from "../support/batches.ts";
import { type LiveCall, LiveServer } from "../support/live-server.ts";
import { failureOf } from "../support/rpc.ts";
import { gauge, Sender } from "../support/sender.ts";

/** Subscribers over a writer in this process, on a clock that the test turns. */

const widthsMs = [10_000, 60_000];
const stalledMsMax = 60_000;
/** More windows than a selection may keep. */
const tooMany = Math.ceil(selectionBytesMax / liveWindowBytes) + 100;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function start(over = {}) {
  const sender = new Sender(widthsMs, dayMs);
  for (const device of ["press", "pump"]) sender.add(device);
  const server = new LiveServer(sender.ingest, { stalledMsMax, ...over });
  const send = (device: string, timesMs: readonly number[], value = 1) => {
    sender.send(
      device,
      gauge,
      timesMs.map((timeMs) => ({ timeMs, value })),
    );
    server.absorb();
  };
  return { sender, server, send };
}

const of = (...deviceIds: string[]) => ({ selector: { deviceIds }, intervalMin: durationFromMs(100) });
const everyTenSeconds = (count: number) => Array.from({ length: count }, (_, i) => dayMs - i * 10_000);

/** The next message, which comes within so much time. */
async function next(call: LiveCall, timeMs = heartbeatIntervalMs): Promise<SubscribeResponse> {
  const message = call.next();
  await vi.advanceTimersByTimeAsync(timeMs);
  const response = await message;
  if (response === undefined) throw new Error("the subscription has ended");
  return response;
}

/** Reads until there are so many windows. */
async function windowsOf(call: LiveCall, count: number, first?: SubscribeResponse): Promise<Map<number, Window>> {
  const frames = new FrameReader();
  const windows = new Map<number, Window>();
  for (let message = first ?? (await next(call)); ; message = await next(call)) {
    const { event } = message;
    if (event.case !== "changes" && event.case !== "snapshot") continue;
    for (const window of frames.read(event.value)) windows.set(window.startMs, window);
    if (windows.size >= count) return windows;
  }
}

describe("subscribers of equal requests", () => {
  it("are sent frames that were encoded once, and the same bytes when they know the series", async () => {
    const { server, send } = start();
    const calls = [of("press"), of("press"), { ...of("press"), quantiles: [0.5] }].map((request) => {
      return server.subscribe(request);
    });
    for (const call of calls) expect((await next(call, 0)).event.case).toBe("heartbeat");
    expect(server.subscriptions).toMatchObject({ size: 3, selections: 2, framesEncoded: 0 });
    for (const round of [1, 2]) {
      const waiting = calls.map((call) => call.next());
      send("press", [dayMs]);
      server.publish();
      await vi.advanceTimersByTimeAsync(100);
      for (const each of await Promise.all(waiting)) {
        expect(each?.event).toMatchObject({ case: "changes", value: { counts: [round] } });
      }
      expect(server.subscriptions.framesEncoded).toBe(2 * round);
    }
    for (const call of calls) await call.stop();
    expect(server.subscriptions).toMatchObject({ size: 0, selections: 0 });
    expect(server.collector.interested).toBe(false);
  });
});

describe("a heartbeat", () => {
  it("says how far the subscription is though nothing of it has changed", async () => {
    const { server, send, sender } = start();
    const call = server.subscribe(of("press"));
    await next(call, 0);
    send("pump", [dayMs]);
    server.publish();
    const { event } = await next(call);
    expect(event).toMatchObject({ case: "heartbeat", value: { revision: BigInt(sender.store.position) } });
    await call.stop();
  });

  it("says no more than has been sent: changes are still to come", async () => {
    const { server, send } = start();
    const call = server.subscribe({ ...of("press"), intervalMin: durationFromMs(60_000) });
    await next(call, 0);
    for (const value of [1, 2]) {
      send("press", [dayMs], value);
      server.publish();
      if (value === 1) expect((await next(call)).event).toMatchObject({ case: "changes" });
    }
    expect((await next(call)).event).toMatchObject({ case: "heartbeat", value: { revision: 1n } });
    await call.stop();
  });
});

describe("a subscriber that is too slow for the memory of its selection", () => {
  it("is sent everything all the same, and the memory stays within its budget", async () => {
    const { server, send } = start();
    const slow = server.subscribe(of("press"));
    const running = server.subscribe(of("pump"));
    for (const call of [slow, running]) await next(call, 0);
    for (const round of [1, 2, 3]) {
      send("press", everyTenSeconds(tooMany));
      send("pump", [dayMs]);
      server.publish();
      expect(server.subscriptions.fullestBytes).toBeLessThanOrEqual(selectionBytesMax);
      expect((await next(running, 200)).event).toMatchObject({ case: "changes", value: { counts: [round] } });
    }
    const windows = await windowsOf(slow, tooMany);
    expect(new Set([...windows.values()].map(({ count }) => count))).toEqual(new Set([3]));
    // And then what changes, as before.
    send("press", [dayMs]);
    server.publish();
    await vi.advanceTimersByTimeAsync(1_000);
    for (;;) {
      const { event } = await next(slow);
      if (event.case !== "changes") continue;
      expect(event.value).toMatchObject({ counts: [4] });
      break;
    }
    for (const call of [slow, running]) await call.stop();
  });
});

describe("a subscriber that does not read", () => {
  it("is ended after a minute, told why, and goes on with the token that it is given", async () => {
    const { server, send } = start();
    const call = server.subscribe(of("press"));
    await next(call, 0);
    send("press", [dayMs]);
    server.publish();
    await vi.advanceTimersByTimeAsync(stalledMsMax + 1_000);
    const { event, resumeToken } = await next(call, 0);
    expect(event).toMatchObject({ case: "end", value: { reason: SubscriptionEndReason.TOO_SLOW } });
    expect(event.case === "end" && event.value.detail).toContain("61 s");
    expect(await call.next()).toBeUndefined();
    expect([call.isCut, server.subscriptions.size]).toEqual([false, 0]);
    const again = server.subscribe({ ...of("press"), resumeToken });
    expect((await next(again)).event).toMatchObject({ case: "changes", value: { counts: [1] } });
    await again.stop();
  });

  it("is cut when it does not read that either, and nothing is kept for it", async () => {
    const { server } = start();
    const call = server.subscribe(of("press"));
    await next(call, 0);
    await vi.advanceTimersByTimeAsync(stalledMsMax + subscriberEndMsMax - 1);
    expect(call.isCut).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(call.isCut).toBe(true);
    // As a call does that is over.
    await call.stop();
    expect([server.subscriptions.size, server.collector.interested]).toEqual([0, false]);
  });

  it("lets others read the store, and begins its snapshot again", async () => {
    const { server, send } = start({ stalledMsMax: 3_600_000 });
    send("press", everyTenSeconds(1_500));
    const request = { ...of("press"), snapshotFrom: timestampFromMs(dayMs - 100_000_000) };
    const slow = Array.from({ length: subscriberReadsMax }, () => server.subscribe(request));
    // Each has a page of two.
    const firsts: SubscribeResponse[] = [];
    for (const call of slow) firsts.push(await next(call, 0));
    const other = server.subscribe(request);
    const first = other.next();
    await vi.advanceTimersByTimeAsync(subscriberReadMsMax);
    expect((await windowsOf(other, 1_500, await first)).size).toBe(1_500);
    // They go on, or begin again, as they have a turn.
    for (const [i, call] of slow.entries()) expect((await windowsOf(call, 1_500, firsts[i])).size).toBe(1_500);
    for (const call of [...slow, other]) await call.stop();
  });
});

describe("a server that ends", () => {
  it("tells its subscribers so, with a token", async () => {
    const { server } = start();
    const call = server.subscribe(of("press"));
    await next(call, 0);
    const end = call.next();
    await vi.advanceTimersByTimeAsync(1);
    server.end();
    await vi.advanceTimersByTimeAsync(1);
    const response = await end;
    expect(response?.event).toMatchObject({ case: "end", value: { reason: SubscriptionEndReason.DRAIN } });
    expect(response?.resumeToken).not.toHaveLength(0);
    expect(await call.next()).toBeUndefined();
  });
});

describe("a resume token", () => {
  async function tokenOf(server: LiveServer): Promise<Uint8Array> {
    const call = server.subscribe(of("press"));
    const { resumeToken } = await next(call, 0);
    await call.stop();
    return resumeToken;
  }

  const refusal = (server: LiveServer, request: object) => failureOf(server.subscribe(request).next());
  const wrong = { status: "INVALID_ARGUMENT", field: "resume_token" };

  it("is refused when it is none, or any bit of it is another", async () => {
    const { server } = start();
    const token = await tokenOf(server);
    for (const resumeToken of [new Uint8Array(3), token.subarray(1), new Uint8Array(token.length)]) {
      expect(await refusal(server, { ...of("press"), resumeToken })).toMatchObject(wrong);
    }
    for (let bit = 0; bit < token.length * 8; bit += 1) {
      const resumeToken = token.slice();
      resumeToken[bit >> 3] = (resumeToken[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(await refusal(server, { ...of("press"), resumeToken })).toMatchObject(wrong);
    }
  });

  it("is good for its selector, in whatever order, and its tier", async () => {
    const { server } = start();
    const resumeToken = await tokenOf(server);
    for (const request of [of("pump"), { ...of("press"), tier: durationFromMs(60_000) }]) {
      const error = await refusal(server, { ...request, resumeToken });
      expect(error).toMatchObject(wrong);
      expect(error.message).toContain("of another selection");
    }
    const good = server.subscribe({ ...of("press", "press"), quantiles: [0.5], resumeToken });
    expect((await next(good, 0)).event.case).toBe("heartbeat");
    await good.stop();
  });

  it("of another database is refused, and one that is ahead of this one", async () => {
    const { server } = start();
    const resumeToken = await tokenOf(server);
    const { server: other, sender } = start({ incarnation: "1".repeat(32) });
    const another = { status: "FAILED_PRECONDITION", reason: "RESUME_TOKEN_OF_ANOTHER_STORE" };
    expect(await refusal(other, { ...of("press"), resumeToken })).toMatchObject(another);
    const selector = { deviceIds: ["press"], metricNames: undefined };
    const scope = new TokenScope("1".repeat(32), { selector, widthMs: 10_000 });
    const ahead = scope.encode({ kind: "changes", revision: sender.store.position + 1, fromMs: dayMs });
    expect(await refusal(other, { ...of("press"), resumeToken: ahead })).toMatchObject(another);
  });
});
