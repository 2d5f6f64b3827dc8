import {
  create,
  type DescFile,
  type DescService,
  fromBinary,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import {
  type ServerReflectionRequest,
  ServerReflectionRequestSchema,
  ServerReflectionResponseSchema,
} from "../../proto/gen/grpc/reflection/v1/reflection_pb.js";
import { errorMessage, TelemetryError } from "../base/errors.ts";
import { reflectionCallsMax, reflectionRequestBytesMax } from "../base/limits.ts";
import { DescriptorIndex } from "./descriptor-index.ts";
import { openCalls } from "./open-calls.ts";

export interface ReflectionOptions {
  /** What is told of. They are looked at when the first request comes: by then all are there. */
  readonly services: readonly DescService[];
  /** Aborted when the server ends: calls end with it. */
  readonly ending: AbortSignal;
  /** Calls at once. */
  readonly callsMax?: number;
}

/** Of all versions: what is sent is the same. */
export interface ReflectionHandlers {
  serverReflectionInfo(requests: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>;
}

/**
 * A server's contract, for tools (`grpc.reflection.v1`, and `v1alpha`, whose bytes are the same).
 * https://github.com/grpc/grpc/blob/master/doc/server-reflection.md
 */
export function reflectionHandlers({
  services,
  ending,
  callsMax = reflectionCallsMax,
}: ReflectionOptions): ReflectionHandlers {
  const calls = openCalls("reflection calls", callsMax);
  let index: DescriptorIndex | undefined;
  return {
    async *serverReflectionInfo(requests) {
      const leave = await calls.take(ending);
      try {
        index ??= new DescriptorIndex(services);
        for await (const request of untilAborted(requests, ending)) yield respond(request, index);
      } finally {
        leave();
      }
    },
  };
}

type Answer = NonNullable<MessageInitShape<typeof ServerReflectionResponseSchema>["messageResponse"]>;

function respond(bytes: Uint8Array, index: DescriptorIndex): Uint8Array {
  const originalRequest = decode(bytes);
  const response = create(ServerReflectionResponseSchema, {
    validHost: originalRequest.host,
    originalRequest,
    messageResponse: answer(originalRequest.messageRequest, index),
  });
  return toBinary(ServerReflectionResponseSchema, response);
}

function answer(asked: ServerReflectionRequest["messageRequest"], index: DescriptorIndex): Answer {
  switch (asked.case) {
    case "listServices":
      return { case: "listServicesResponse", value: { service: index.services.map((name) => ({ name })) } };
    case "fileByFilename":
      return fileAnswer(index.fileNamed(asked.value), `file_by_filename: no file ${shown(asked.value)}`, index);
    case "fileContainingSymbol":
      return fileAnswer(
        index.fileOfSymbol(asked.value),
        `file_containing_symbol: nothing is called ${shown(asked.value)}`,
        index,
      );
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = asked.value;
      const file = index.fileOfExtension(containingType, extensionNumber);
      const problem = `file_containing_extension: no extension ${extensionNumber} of ${shown(containingType)}`;
      return fileAnswer(file, problem, index);
    }
    case "allExtensionNumbersOfType": {
      const extensionNumber = index.extensionNumbers(asked.value);
      if (extensionNumber === undefined) {
        return failure(status.NOT_FOUND, `all_extension_numbers_of_type: no message ${shown(asked.value)}`);
      }
      return { case: "allExtensionNumbersResponse", value: { baseTypeName: asked.value, extensionNumber } };
    }
    default:
      return failure(status.INVALID_ARGUMENT, "message_request is not set; send one of its fields");
  }
}

/** @param problem what is said when there is no file */
function fileAnswer(file: DescFile | undefined, problem: string, index: DescriptorIndex): Answer {
  if (file === undefined) return failure(status.NOT_FOUND, problem);
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto: index.encodeWithImports(file) } };
}

/** In band: the call goes on. */
function failure(errorCode: number, problem: string): Answer {
  return { case: "errorResponse", value: { errorCode, errorMessage: problem } };
}

function shown(name: string): string {
  return `${JSON.stringify(name.slice(0, 100))}; list_services tells where to begin`;
}

/** @throws TelemetryError */
function decode(bytes: Uint8Array): ServerReflectionRequest {
  if (bytes.length > reflectionRequestBytesMax) {
    throw malformed(`has ${bytes.length} bytes, the limit is ${reflectionRequestBytesMax}`);
  }
  try {
    return fromBinary(ServerReflectionRequestSchema, bytes, { readUnknownFields: false });
  } catch (error) {
    throw malformed(`cannot be read: ${errorMessage(error)}`);
  }
}

function malformed(problem: string): TelemetryError {
  return new TelemetryError(
    "INVALID_ARGUMENT",
    "MALFORMED_MESSAGE",
    `the request ${problem}; send a grpc.reflection.v1.ServerReflectionRequest with one name`,
  );
}

/** The items until a signal is aborted, also while the next one is waited for. */
async function* untilAborted<T>(items: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T, void> {
  const reading = items[Symbol.asyncIterator]();
  while (!signal.aborted) {
    const next = await nextUnlessAborted(reading, signal);
    if (next === undefined || next.done === true) return;
    yield next.value;
  }
}

/** A promise of its own for each: a race against one that lasts would keep something of every item. */
function nextUnlessAborted<T>(reading: AsyncIterator<T>, signal: AbortSignal): Promise<IteratorResult<T> | undefined> {
  return new Promise((resolve, reject) => {
    const end = () => resolve(undefined);
    signal.addEventListener("abort", end);
    reading
      .next()
      .then(resolve, reject)
      .finally(() => signal.removeEventListener("abort", end));
  });
}
