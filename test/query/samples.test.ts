import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampDate, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { frameSamplesMax, selectorPrefixesMax } from "../../lib/base/limits.ts";
import { SampleFrameReader } from "../../lib/wire/sample-frame.ts";
import type { ReadSamplesRequestSchema, ReadSamplesResponse } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { batch, dayMs, registration } from "../support/batches.ts";
import { push } from "../support/query.ts";
import { failureOf } from "../support/rpc.ts";
import { startServer, type TestServer } from "../support/server.ts";

const unbounded = Number.POSITIVE_INFINITY;
const keepRaw = { durationMs: unbounded, bytesMax: unbounded };
const start = () => startServer({}, { keepRaw });

const day = { from: timestampFromMs(dayMs), to: timestampFromMs(dayMs + 86_400_000) };
const of = (...deviceIds: string[]) => ({ selector: { deviceIds }, ...day });

async function read(server: TestServer, request: MessageInitShape<typeof ReadSamplesRequestSchema>) {
  const responses: ReadSamplesResponse[] = [];
  for await (const response of server.query.readSamples(request)) responses.push(response);
  const frames = responses.flatMap(({ frame }) => frame ?? []);
  const reader = new SampleFrameReader();
  return { responses, frames, samples: frames.flatMap((frame) => [...reader.read(frame)]) };
}

describe("samples", () => {
  it("come back right after their ack, in the order in which they were settled", async () => {
    const server = await start();
    const values: number[] = [];
    for (let sequence = 1; sequence <= 20; sequence += 1) {
      await push(server, "press", sequence, [sequence, -sequence]);
      values.push(sequence, -sequence);
      const { samples } = await read(server, of("press"));
      expect(samples.map(({ value }) => value)).toEqual(values);
    }
    const { samples } = await read(server, of("press"));
    expect(samples.slice(0, 2)).toEqual([
      { deviceId: "press", metric: "temperature", timeMs: dayMs, value: 1 },
      { deviceId: "press", metric: "temperature", timeMs: dayMs + 1, value: -1 },
    ]);
  });

  it("of a deleted device are not shown, at once, after a restart, and when its id is created again", async () => {
    const server = await start();
    for (const [i, id] of ["press", "lathe"].entries()) await push(server, id, 1, [i + 1]);
    await server.devices.deleteDevice({ deviceId: "press" });
    const values = async () => (await read(server, day)).samples.map(({ deviceId, value }) => [deviceId, value]);
    expect(await values()).toEqual([["lathe", 2]]);
    await server.restart();
    expect(await values()).toEqual([["lathe", 2]]);
    await server.devices.createDevice({ deviceId: "press" });
    await push(server, "press", 2, [7]);
    expect(await values()).toEqual([
      ["lathe", 2],
      ["press", 7],
    ]);
  });

  it("are those of the selection, by names and prefixes and labels", async () => {
    const server = await start();
    for (const [i, [id, site]] of [
      ["truck-1", "north"],
      ["truck-2", "south"],
      ["press", "north"],
    ].entries()) {
      const options = { metrics: ["speed", "load"], labels: { site: site ?? "" } };
      await push(server, id ?? "", 1, [i], { ...options, metric: 1 });
      await push(server, id ?? "", 2, [10 + i], { ...options, metric: 2 });
    }
    const f = async (selector: object, values: number[]) => {
      const { samples } = await read(server, { selector, ...day });
      expect(samples.map(({ value }) => value)).toEqual(values);
    };
    await f({}, [0, 10, 1, 11, 2, 12]);
    await f({ deviceIds: ["press", "truck-2"] }, [1, 11, 2, 12]);
    await f({ deviceIdPrefixes: ["truck-"] }, [0, 10, 1, 11]);
    await f({ metricNamePrefixes: ["lo"] }, [10, 11, 12]);
    await f({ labels: { site: "north" }, metricNames: ["speed"] }, [0, 2]);
    await f({ deviceIdPrefixes: ["lathe"] }, []);
  });

  it("come in frames of a bounded size, each series told once, and end when the client has had enough", async () => {
    const server = await start();
    const values = Array.from({ length: 3 * frameSamplesMax - 1 }, (_, i) => i);
    await push(server, "press", 1, values);
    const { frames, samples } = await read(server, of("press"));
    expect(frames.map((frame) => frame.values.length)).toEqual([frameSamplesMax, frameSamplesMax, frameSamplesMax - 1]);
    expect(frames.flatMap(({ series }) => series)).toHaveLength(1);
    expect(samples.map(({ value }) => value)).toEqual(values);
    for await (const _ of server.query.readSamples(of("press"))) break;
    expect((await read(server, of("press"))).samples).toHaveLength(values.length);
  });

  it("are there after a restart, and those that were refused are not", async () => {
    const server = await start();
    await server.ingest.pushBatch({
      registration: registration("press"),
      payload: { case: "batch", value: batch(1, [1, Number.NaN, Number.POSITIVE_INFINITY, 2]) },
    });
    await server.restart();
    const { samples } = await read(server, of("press"));
    expect(samples.map(({ value }) => value)).toEqual([1, 2]);
  });

  it("come with one empty frame when there are none, which tells since when they are kept", async () => {
    const server = await startServer({}, { keepRaw: { durationMs: 1, bytesMax: unbounded } });
    await server.ingest.pushBatch({ registration: registration("press") });
    const before = await read(server, of("press"));
    expect(before.responses).toMatchObject([{ frame: { values: [], series: [] } }]);
    expect(before.responses[0]?.keptFrom).toBeUndefined();
    const beganMs = Date.now();
    await push(server, "press", 1, [1]);
    // It is settled and deleted when the server ends, and nothing is kept from before the call.
    await server.restart();
    const { responses, samples } = await read(server, of("press"));
    expect(samples).toEqual([]);
    const { keptFrom } = responses[0] ?? {};
    expect(keptFrom && timestampDate(keptFrom).getTime()).toBeGreaterThanOrEqual(beganMs);
  });
});

describe("a read of samples that cannot be answered", () => {
  it("is refused with the field that is wrong", async () => {
    const server = await start();
    const f = async (change: object, status: string, ...texts: string[]) => {
      const error = await failureOf(server.query.readSamples({ ...day, ...change }));
      expect(error.status).toBe(status);
      for (const text of texts) expect(error.message).toContain(text);
    };
    const invalid = "INVALID_ARGUMENT";
    await f({ from: undefined }, invalid, "from is missing");
    await f({ to: undefined }, invalid, "to is missing");
    await f({ from: day.to, to: day.from }, invalid, "to is 2026-01-15T00:00:00Z, not after from");
    await f({ selector: { deviceIds: [""] } }, invalid, "selector.device_ids has an empty entry");
    await f(
      { selector: { metricNamePrefixes: Array(selectorPrefixesMax + 1).fill("a") } },
      invalid,
      "selector.metric_name_prefixes has 101 entries, the limit is 100",
    );
    await f({ selector: { deviceIds: ["no-such-press"] } }, "NOT_FOUND", 'no device "no-such-press"');
  });

  it("is refused when the server does not keep samples, and names the flag", async () => {
    const server = await startServer();
    await push(server, "press", 1, [1]);
    expect(await failureOf(server.query.readSamples(of("press")))).toMatchObject({
      status: "FAILED_PRECONDITION",
      reason: "RAW_NOT_KEPT",
      message: expect.stringContaining("start it with --keep-raw"),
    });
  });
});
