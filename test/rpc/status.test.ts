import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { TelemetryError } from "../../lib/base/errors.ts";
import { fromServiceError } from "../../lib/rpc/status.ts";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  QuotaFailureSchema,
  RetryInfoSchema,
} from "../../proto/gen/google/rpc/error_details_pb.js";
import { StatusSchema } from "../../proto/gen/google/rpc/status_pb.js";
import { IngestService } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { asBatches, batch } from "../support/batches.ts";
import { collect, failureOf, serve } from "../support/rpc.ts";

function brokenSpool(): never {
  throw new TelemetryError("FAILED_PRECONDITION", "SPOOL_BROKEN", "spool is broken; make a new one", {
    field: "registration.spool_id",
    metadata: { expected_sequence: "42" },
  });
}

/** Services of which every method fails, before it has read anything. */
async function failing(fail: () => never) {
  const { client: ingest } = await serve(IngestService, "messages", {
    pushBatch: async () => fail(),
    uploadBatches: async () => fail(),
    // biome-ignore lint/correctness/useYield: it fails before
    async *streamBatches() {
      fail();
    },
  });
  const served = await serve(QueryService, "messages", { queryRange: () => fail() });
  const calls = {
    unary: () => ingest.pushBatch({}),
    "client-streaming": () => ingest.uploadBatches().finish(),
    "server-streaming": () => collect(served.client.queryRange({})),
    bidi: () => collect(ingest.streamBatches().responses),
  };
  return { calls, warnings: served.warnings };
}

/** The details of a failed call, from the header that carries them. */
function detailsOf(error: TelemetryError) {
  const [bytes] = (error.cause as ServiceError).metadata.get("grpc-status-details-bin");
  return fromBinary(StatusSchema, bytes as Buffer).details;
}

describe("a handler that throws a TelemetryError", () => {
  for (const kind of ["unary", "client-streaming", "server-streaming", "bidi"] as const) {
    it(`gives its status, message, reason and metadata to the client of a ${kind} call`, async () => {
      const { calls, warnings } = await failing(brokenSpool);
      const error = await failureOf(calls[kind]());
      expect(error).toBeInstanceOf(TelemetryError);
      expect(error).toMatchObject({
        status: "FAILED_PRECONDITION",
        reason: "SPOOL_BROKEN",
        message: "spool is broken; make a new one",
        metadata: { expected_sequence: "42" },
      });
      expect(warnings).toEqual([]);
    });
  }

  it("tells the field as google.rpc.BadRequest, and the reason as google.rpc.ErrorInfo", async () => {
    const { calls } = await failing(brokenSpool);
    const [info, request] = detailsOf(await failureOf(calls.unary()));
    expect(info && anyUnpack(info, ErrorInfoSchema)).toMatchObject({ reason: "SPOOL_BROKEN", domain: "tidemark" });
    expect(request && anyUnpack(request, BadRequestSchema)?.fieldViolations).toMatchObject([
      { field: "registration.spool_id", description: "spool is broken; make a new one" },
    ]);
  });

  it("tells when to come again, to programs and to grpc's own retries, and which limit is used up", async () => {
    const { calls } = await failing(() => {
      throw new TelemetryError("RESOURCE_EXHAUSTED", "DEVICE_RATE", "too many", {
        retryAfterMs: 1_500.2,
        quota: "device:press",
      });
    });
    for (const call of Object.values(calls)) {
      const error = await failureOf(call());
      expect(error).toMatchObject({ retryAfterMs: 1_501, quota: "device:press" });
      const [, quota, retry] = detailsOf(error);
      expect(quota && anyUnpack(quota, QuotaFailureSchema)?.violations).toMatchObject([
        { subject: "device:press", description: "too many" },
      ]);
      expect(retry && anyUnpack(retry, RetryInfoSchema)?.retryDelay).toMatchObject({ seconds: 1n, nanos: 501_000_000 });
      expect((error.cause as ServiceError).metadata.get("grpc-retry-pushback-ms")).toEqual(["1501"]);
    }
  });

  it("keeps text that is not ASCII", async () => {
    const { calls } = await failing(() => {
      throw new TelemetryError("NOT_FOUND", "DEVICE_NOT_FOUND", 'no device "Kühlhaus 冷"\n50% sure');
    });
    expect(await failureOf(calls.bidi())).toMatchObject({ message: 'no device "Kühlhaus 冷"\n50% sure' });
  });

  it("has the answers sent before it arrive", async () => {
    const { client } = await serve(QueryService, "messages", {
      async *queryRange() {
        yield { frame: { revision: 1n } };
        yield { frame: { revision: 2n } };
        brokenSpool();
      },
    });
    const revisions: bigint[] = [];
    const read = async () => {
      for await (const { frame } of client.queryRange({})) revisions.push(frame?.revision ?? 0n);
    };
    expect(await failureOf(read())).toMatchObject({ reason: "SPOOL_BROKEN" });
    expect(revisions).toEqual([1n, 2n]);
  });

  it("tells a client that is writing why its call has ended", async () => {
    const { client } = await serve(IngestService, "messages", {
      async *streamBatches(requests) {
        for await (const _ of requests) {
          yield { message: { case: "ack", value: {} } };
          brokenSpool();
        }
      },
    });
    const stream = client.streamBatches();
    await stream.write(asBatches(batch(1, [0])));
    expect(await failureOf(stream.responses)).toMatchObject({ reason: "SPOOL_BROKEN" });
  });
});

describe("a handler that throws anything else", () => {
  for (const kind of ["unary", "client-streaming", "server-streaming", "bidi"] as const) {
    it(`ends a ${kind} call with INTERNAL and does not tell what it was`, async () => {
      const { calls } = await failing(() => {
        throw new Error("password=hunter2");
      });
      const error = await failureOf(calls[kind]());
      expect(error).toMatchObject({ status: "INTERNAL", reason: "INTERNAL" });
      expect(JSON.stringify([error.message, (error.cause as ServiceError).metadata.toJSON()])).not.toContain("hunter2");
    });
  }

  it("is told to the log", async () => {
    const { calls, warnings } = await failing(() => {
      throw new Error("no such column: mark");
    });
    await failureOf(calls["server-streaming"]());
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain("no such column: mark");
  });
});

describe("what a client makes of a failed call", () => {
  it("is the status alone when the server tells no reason", async () => {
    const { channel } = await serve(QueryService, "messages", {});
    // The server has no such service.
    const error = await failureOf(channel.client(IngestService, "messages").pushBatch({}));
    expect(error).toMatchObject({ status: "UNIMPLEMENTED", reason: "UNIMPLEMENTED", metadata: {} });
  });

  it("is the status alone when the details are not what they should be", () => {
    const metadata = new Metadata();
    metadata.set("grpc-status-details-bin", Buffer.from([0xff, 0xff, 0xff]));
    const error = Object.assign(new Error("14 UNAVAILABLE: down"), {
      code: status.UNAVAILABLE,
      details: "down",
      metadata,
    });
    expect(fromServiceError(error)).toMatchObject({ status: "UNAVAILABLE", reason: "UNAVAILABLE", message: "down" });
  });

  it("still tells its status when a single detail cannot be read", () => {
    const typeUrls = ["ErrorInfo", "RetryInfo", "QuotaFailure"].map((name) => `type.googleapis.com/google.rpc.${name}`);
    const details = typeUrls.map((typeUrl) => ({ typeUrl, value: Uint8Array.of(0x0a, 0xff) }));
    const metadata = new Metadata();
    const bytes = toBinary(StatusSchema, create(StatusSchema, { details }));
    metadata.set("grpc-status-details-bin", Buffer.from(bytes));
    const error: ServiceError = Object.assign(new Error("down"), {
      code: status.UNAVAILABLE,
      details: "down",
      metadata,
    });
    expect(fromServiceError(error)).toMatchObject({ status: "UNAVAILABLE", reason: "UNAVAILABLE", message: "down" });
  });
});
