import { create, createFileRegistry, type DescService, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import {
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FileDescriptorProtoSchema,
} from "@bufbuild/protobuf/wkt";
import { describe, expect, it, onTestFinished } from "vitest";
import { reflectionRequestBytesMax } from "../../lib/base/limits.ts";
import { silentLog } from "../../lib/base/log.ts";
import { Channel } from "../../lib/rpc/client.ts";
import { everyMethod } from "../../lib/rpc/gate.ts";
import { type ReflectionOptions, reflectionHandlers } from "../../lib/rpc/reflection.ts";
import { RpcServer } from "../../lib/rpc/server.ts";
import { Health } from "../../proto/gen/grpc/health/v1/health_pb.js";
import {
  ServerReflection,
  type ServerReflectionRequestSchema,
  type ServerReflectionResponse,
} from "../../proto/gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as ServerReflectionV1alpha } from "../../proto/gen/grpc/reflection/v1alpha/reflection_pb.js";
import { IngestService } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { atRest, collect, failureOf } from "../support/rpc.ts";

type Asked = NonNullable<MessageInitShape<typeof ServerReflectionRequestSchema>["messageRequest"]>;

const contract: readonly DescService[] = [QueryService, IngestService, Health];

/** A server that tells of services; `answers` counts those of v1. */
async function serveReflection(services = contract, options: Partial<ReflectionOptions> = {}) {
  const ending = new AbortController();
  const handlers = reflectionHandlers({ services, ending: ending.signal, ...options });
  const count = { answers: 0 };
  const counted: typeof handlers = {
    async *serverReflectionInfo(requests) {
      for await (const answer of handlers.serverReflectionInfo(requests)) {
        count.answers += 1;
        yield answer;
      }
    },
  };
  const rpc = new RpcServer(silentLog);
  rpc.add(ServerReflection, "bytes", counted, everyMethod(ServerReflection, "open"));
  rpc.add(ServerReflectionV1alpha, "bytes", handlers, everyMethod(ServerReflectionV1alpha, "open"));
  const channel = new Channel((await rpc.listen("127.0.0.1:0")).address);
  onTestFinished(async () => {
    channel.close();
    await rpc.close(0);
  });
  const client = channel.client(ServerReflection, "messages");
  const alpha = channel.client(ServerReflectionV1alpha, "messages");
  /** Asks on one call. */
  const ask = async (...asked: Asked[]): Promise<ServerReflectionResponse[]> => {
    const stream = client.serverReflectionInfo();
    for (const messageRequest of asked) await stream.write({ host: "here", messageRequest });
    stream.end();
    return await collect(stream.responses);
  };
  return { ask, client, alpha, channel, ending, count };
}

const list: Asked = { case: "listServices", value: "" };
const symbol = (value: string): Asked => ({ case: "fileContainingSymbol", value });

/** The files of an answer; the one that was asked for is the first. */
function filesOf(response: ServerReflectionResponse | undefined) {
  const { messageResponse } = response ?? {};
  if (messageResponse?.case !== "fileDescriptorResponse") throw new Error(`it is ${messageResponse?.case}`);
  return messageResponse.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
}

/** A service whose file has what ours do not: nested types and extensions. */
function extendedService(): DescService {
  const name = "base.proto";
  const extension = (number: number) => ({
    name: `extension_${number}`,
    number,
    extendee: ".test.Base",
    type: FieldDescriptorProto_Type.STRING,
    label: FieldDescriptorProto_Label.OPTIONAL,
  });
  const file = create(FileDescriptorProtoSchema, {
    name,
    package: "test",
    syntax: "proto2",
    messageType: [
      { name: "Base", extensionRange: [{ start: 100, end: 200 }], nestedType: [{ name: "Nested" }] },
      { name: "Plain" },
    ],
    extension: [extension(120), extension(110)],
    service: [{ name: "Service", method: [{ name: "Call", inputType: ".test.Base", outputType: ".test.Plain" }] }],
  });
  const service = createFileRegistry(file, () => undefined).getService("test.Service");
  if (service === undefined) throw new Error("the file has a service");
  return service;
}

describe("reflection", () => {
  it("lists the services, and sends the request back", async () => {
    const { ask } = await serveReflection();
    const service = ["grpc.health.v1.Health", "telemetry.v1.IngestService", "telemetry.v1.QueryService"];
    expect(await ask(list)).toMatchObject([
      {
        validHost: "here",
        originalRequest: { host: "here", messageRequest: list },
        messageResponse: { case: "listServicesResponse", value: { service: service.map((name) => ({ name })) } },
      },
    ]);
  });

  it.each([
    ["telemetry.v1.QueryService", "telemetry/v1/query_service.proto"],
    ["telemetry.v1.QueryService.QueryRange", "telemetry/v1/query_service.proto"],
    ["telemetry.v1.Batch", "telemetry/v1/batch.proto"],
    ["telemetry.v1.Batch.sequence", "telemetry/v1/batch.proto"],
    ["telemetry.v1.PushBatchRequest.payload", "telemetry/v1/ingest_service.proto"],
    ["telemetry.v1.RejectReason", "telemetry/v1/ingest_service.proto"],
    ["telemetry.v1.REJECT_REASON_DEVICE_NOT_ALLOWED", "telemetry/v1/ingest_service.proto"],
    ["grpc.health.v1.HealthCheckResponse.ServingStatus", "grpc/health/v1/health.proto"],
    ["grpc.health.v1.HealthCheckResponse.NOT_SERVING", "grpc/health/v1/health.proto"],
    ["google.protobuf.Timestamp", "google/protobuf/timestamp.proto"],
  ])("has %s in %s, which comes with all that it imports", async (name, file) => {
    const { ask } = await serveReflection();
    const [bySymbol, byName] = await ask(symbol(name), { case: "fileByFilename", value: file });
    const files = filesOf(bySymbol);
    expect(files[0]?.name).toBe(file);
    const names = files.map((each) => each.name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(expect.arrayContaining(files.flatMap(({ dependency }) => dependency)));
    expect(filesOf(byName).map((each) => each.name)).toEqual(names);
  });

  it("has nested types, and extensions by their numbers", async () => {
    const { ask } = await serveReflection([extendedService()]);
    const extension = { containingType: "test.Base", extensionNumber: 110 };
    const [numbers, none, ...files] = await ask(
      { case: "allExtensionNumbersOfType", value: "test.Base" },
      { case: "allExtensionNumbersOfType", value: "test.Plain" },
      symbol("test.Base.Nested"),
      symbol("test.extension_110"),
      { case: "fileContainingExtension", value: extension },
    );
    expect(numbers?.messageResponse.value).toMatchObject({ baseTypeName: "test.Base", extensionNumber: [110, 120] });
    expect(none?.messageResponse.value).toMatchObject({ baseTypeName: "test.Plain", extensionNumber: [] });
    expect(files.map((each) => filesOf(each)[0]?.name)).toEqual(["base.proto", "base.proto", "base.proto"]);
  });

  it.each<[string, Asked | undefined, number, string]>([
    ["a symbol", symbol("telemetry.v1.Nothing"), 5, 'file_containing_symbol: nothing is called "telemetry.v1.Nothing"'],
    ["a file", { case: "fileByFilename", value: "a.proto" }, 5, 'file_by_filename: no file "a.proto"'],
    [
      "an extension",
      { case: "fileContainingExtension", value: { containingType: "telemetry.v1.Batch", extensionNumber: 7 } },
      5,
      'file_containing_extension: no extension 7 of "telemetry.v1.Batch"',
    ],
    [
      "a message to extend",
      { case: "allExtensionNumbersOfType", value: "telemetry.v1.QueryService" },
      5,
      'all_extension_numbers_of_type: no message "telemetry.v1.QueryService"',
    ],
    ["nothing", undefined, 3, "message_request is not set"],
  ])("says in band that it does not find %s, and goes on", async (_, asked, errorCode, message) => {
    const { client } = await serveReflection();
    const stream = client.serverReflectionInfo();
    await stream.write(asked === undefined ? {} : { messageRequest: asked });
    await stream.write({ messageRequest: list });
    stream.end();
    const [failed, listed] = await collect(stream.responses);
    expect(failed?.messageResponse).toMatchObject({ case: "errorResponse", value: { errorCode } });
    expect(failed?.messageResponse.value).toHaveProperty("errorMessage", expect.stringContaining(message));
    if (asked !== undefined) expect(failed?.originalRequest?.messageRequest).toMatchObject(asked);
    expect(listed?.messageResponse.case).toBe("listServicesResponse");
  });

  it("is the same as v1alpha", async () => {
    const { alpha, ask } = await serveReflection();
    const stream = alpha.serverReflectionInfo();
    await stream.write({ messageRequest: { case: "listServices", value: "" } });
    await stream.write({ messageRequest: { case: "fileContainingSymbol", value: "telemetry.v1.Batch" } });
    stream.end();
    const answers = (await collect(stream.responses)).map(({ messageResponse }) => messageResponse.case);
    expect(answers).toEqual((await ask(list, symbol("telemetry.v1.Batch"))).map((each) => each.messageResponse.case));
  });
});

describe("reflection, of a client that means harm or is broken,", () => {
  it.each([
    ["garbage", Uint8Array.of(0xff, 0xff, 0xff)],
    ["a name that is cut off", Uint8Array.of(0x22, 0x7f, 0x61)],
    ["a request without end", new Uint8Array(reflectionRequestBytesMax + 1)],
  ])("refuses %s, and answers others", async (_, bytes) => {
    const { channel, ask } = await serveReflection();
    const stream = channel.client(ServerReflection, "bytes").serverReflectionInfo();
    await stream.write(bytes);
    expect(await failureOf(stream.responses)).toMatchObject({
      status: "INVALID_ARGUMENT",
      reason: "MALFORMED_MESSAGE",
      message: expect.stringMatching(/^the request (cannot be read|has 4097 bytes, the limit is 4096)/),
    });
    expect(await ask(list)).toHaveLength(1);
  });

  it("makes few answers for one that asks 10,000 times and reads one of them", async () => {
    const { client, alpha, count } = await serveReflection();
    const stream = client.serverReflectionInfo();
    // A client of grpc-js that has never read takes all that comes.
    const answers = stream.responses[Symbol.asyncIterator]();
    const first = answers.next();
    const asking = (async () => {
      for (let i = 0; i < 10_000; i += 1) await stream.write({ messageRequest: symbol("telemetry.v1.QueryService") });
    })();
    // It ends when the call does.
    asking.catch(() => {});
    const ping = async () => {
      const other = alpha.serverReflectionInfo();
      await other.write({ messageRequest: { case: "listServices", value: "" } });
      other.end();
      return await collect(other.responses);
    };
    await first;
    const made = await atRest(() => count.answers, ping);
    expect(made).toBeGreaterThan(0);
    // A window of 64 KiB, and what the client takes beyond it.
    expect(made).toBeLessThan(64);
    await answers.return?.();
    await asking.catch(() => {});
  });

  it("has so many calls open and no more", async () => {
    const { client } = await serveReflection(contract, { callsMax: 1 });
    const stream = client.serverReflectionInfo();
    const answers = stream.responses[Symbol.asyncIterator]();
    await stream.write({ messageRequest: list });
    await answers.next();
    expect(await failureOf(client.serverReflectionInfo().responses)).toMatchObject({
      status: "RESOURCE_EXHAUSTED",
      reason: "TOO_MANY_OPEN_CALLS",
      quota: "server:reflection calls",
    });
    stream.end();
    expect((await answers.next()).done).toBe(true);
  });

  it("ends a call that its client leaves open, when the server ends", async () => {
    const { client, ending } = await serveReflection();
    const stream = client.serverReflectionInfo();
    const answers = stream.responses[Symbol.asyncIterator]();
    await stream.write({ messageRequest: list });
    await answers.next();
    ending.abort();
    expect((await answers.next()).done).toBe(true);
  });
});
