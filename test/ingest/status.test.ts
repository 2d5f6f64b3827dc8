import { describe, expect, it } from "vitest";
import {
  callBytesInFlightMax,
  heldWindowsMax,
  ingestBytesInFlightMax,
  selectionBytesMax,
} from "../../lib/base/limits.ts";
import { AdminService, type GetStatusResponse } from "../../proto/gen/telemetry/v1/admin_service_pb.js";
import { asRegistration, registration } from "../support/batches.ts";
import { push } from "../support/query.ts";
import { startServer, type TestServer } from "../support/server.ts";

function statusOf(server: TestServer): Promise<GetStatusResponse> {
  return server.channel.client(AdminService, "messages").getStatus({});
}

/** Two batches of which some samples are refused, and one of them again. */
async function sendSome(server: TestServer): Promise<void> {
  await push(server, "press", 1, [1, 2, Number.POSITIVE_INFINITY]);
  await push(server, "press", 2, [3, Number.NaN]);
  await push(server, "press", 2, [3, Number.NaN]);
}

describe("the status of a server", () => {
  it("counts samples, refusals and duplicates", async () => {
    const server = await startServer();
    const none = { samplesCounted: 0n, samplesRefused: 0n, batchesDuplicate: 0n, journalPosition: 0n };
    expect(await statusOf(server)).toMatchObject({ ...none, journalGroups: 0n, storeProblem: "" });
    await sendSome(server);
    const status = await statusOf(server);
    expect(status).toMatchObject({ samplesCounted: 3n, samplesRefused: 1n, batchesDuplicate: 1n, journalPosition: 2n });
    expect(status.journalGroups).toBeLessThanOrEqual(2n);
    expect(status.rssBytes).toBeGreaterThan(0n);
  });

  it("counts a group when it was stored, and not when it had nothing to store", async () => {
    const server = await startServer();
    await push(server, "press", 1, [1]);
    const { groups } = await statusOf(server);
    for (let i = 0; i < 5; i += 1) await push(server, "press", 1, [1]);
    expect(await statusOf(server)).toMatchObject({ batchesDuplicate: 5n, groups });
  });

  it("counts from zero after a restart, with the journal where it was", async () => {
    const server = await startServer();
    await sendSome(server);
    const { storeIncarnation } = await statusOf(server);
    await server.restart();
    expect(await statusOf(server)).toMatchObject({
      storeIncarnation,
      durability: "fsync",
      samplesCounted: 0n,
      samplesRefused: 0n,
      batchesDuplicate: 0n,
      groups: 0n,
      journalPosition: 2n,
      journalGroups: 0n,
    });
  });

  it("counts the calls that are open", async () => {
    const server = await startServer();
    const streams = [server.ingest.streamBatches(), server.ingest.streamBatches()];
    for (const [i, stream] of streams.entries()) {
      await stream.write(asRegistration(registration(`device-${i}`)));
      await stream.responses[Symbol.asyncIterator]().next();
    }
    expect((await statusOf(server)).ingestCalls).toBe(2);
    for (const stream of streams) stream.end();
  });

  it("tells each hop with its bound, and that none is slow while nothing waits", async () => {
    const server = await startServer();
    const { hops, slowestHop } = await statusOf(server);
    const hop = (name: string, limit: number, unit: string) => ({ name, used: 0n, limit: BigInt(limit), unit });
    expect(hops).toMatchObject([
      hop("calls", callBytesInFlightMax, "bytes"),
      hop("writer", ingestBytesInFlightMax, "bytes"),
      hop("tables", heldWindowsMax, "windows"),
      hop("subscribers", selectionBytesMax, "bytes"),
    ]);
    expect(slowestHop).toBe("");
  });
});
