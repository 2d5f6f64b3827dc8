import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { messageElementsMax, metricsPerRegistrationMax } from "../../lib/base/limits.ts";
import { checkElements, checkJsonElements } from "../../lib/rpc/message-elements.ts";
import { PushBatchRequestSchema } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { ListDevicesRequestSchema } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { registration } from "../support/batches.ts";
import { failureOf } from "../support/rpc.ts";
import { serverOfFile } from "../support/server.ts";

const server = serverOfFile();
const prefixes = (count: number) => create(ListDevicesRequestSchema, { deviceIdPrefixes: Array(count).fill("ab") });
const tooMany = expect.objectContaining({ reason: "TOO_MANY_ELEMENTS" });

describe("the elements of a message", () => {
  it("are as many as the limit, and no more", () => {
    const check = (count: number) =>
      checkElements(ListDevicesRequestSchema, toBinary(ListDevicesRequestSchema, prefixes(count)));
    expect(() => check(messageElementsMax)).not.toThrow();
    expect(() => check(messageElementsMax + 1)).toThrow(tooMany);
  });

  it("are counted within messages, which take two bytes when they are empty", () => {
    const empties = Buffer.alloc(2 * messageElementsMax).fill(Buffer.from([0x1a, 0]));
    const length = [(empties.length & 127) | 128, ((empties.length >> 7) & 127) | 128, empties.length >> 14];
    const batch = Buffer.from([0x12, ...length]);
    expect(() => checkElements(PushBatchRequestSchema, Buffer.concat([batch, empties]))).toThrow(tooMany);
  });

  it("are few in the largest registration, and in as many numbers as a message may have", () => {
    const metrics = Array.from({ length: metricsPerRegistrationMax }, (_, i) => `a metric with a long name ${i}`);
    const values = new Array<number>(400_000).fill(1.5);
    const tables = [{ metricHandles: [1], baseTimeUnixMs: 1n, timeOffsetsMs: [0], values }];
    const request = create(PushBatchRequestSchema, {
      registration: registration("press", { metrics }),
      payload: { case: "batch", value: { deviceHandle: 1, sequence: 1n, tables } },
    });
    expect(() => checkElements(PushBatchRequestSchema, toBinary(PushBatchRequestSchema, request))).not.toThrow();
  });

  it("are left to who decodes the message where it is malformed", () => {
    const broken = Buffer.alloc(2 * messageElementsMax + 100, 0xff);
    expect(() => checkElements(ListDevicesRequestSchema, broken)).not.toThrow();
  });

  it("of JSON are its objects, names and strings", () => {
    const check = (text: string) => checkJsonElements(Buffer.from(text));
    expect(() => check(`[${"{},".repeat(messageElementsMax + 1)}`)).toThrow(tooMany);
    expect(() => check(`[${'"a",'.repeat(messageElementsMax + 1)}`)).toThrow(tooMany);
    expect(() => check(`[${"1.5,".repeat(800_000)}`)).not.toThrow();
  });

  it("are looked at over gRPC, too", async () => {
    expect(await failureOf(server().query.listDevices(prefixes(messageElementsMax + 1)))).toMatchObject({
      status: "INVALID_ARGUMENT",
      reason: "TOO_MANY_ELEMENTS",
    });
  });
});
