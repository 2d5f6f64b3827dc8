import {
  create,
  type DescMethod,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { MethodDefinition } from "@grpc/grpc-js";
import { errorMessage, TelemetryError } from "../base/errors.ts";
import { messageDepthMax } from "../base/limits.ts";
import { checkElements } from "./message-elements.ts";

/**
 * Where grpc-js meets protobuf-es: a service's descriptor becomes the method definitions that grpc-js
 * works with, and the types of its messages those of handlers and clients.
 */

/** `messages`: decoded. `bytes`: requests stay as they came, for who decodes elsewhere or not at all. */
export type Encoding = "messages" | "bytes";

/** A request as its receiver gets it. Bytes belong to the receiver. */
export type Received<D extends DescMethod["input"], E extends Encoding> = E extends "bytes"
  ? Uint8Array
  : MessageShape<D>;
/** A message as its sender gives it. Bytes must not change afterwards. */
export type Sent<D extends DescMethod["input"], E extends Encoding> = E extends "bytes"
  ? Uint8Array
  : MessageInitShape<D>;

/** A response as its handler gives it: bytes are sent as they are, for who encodes once and sends to many. */
export type Answered<D extends DescMethod["output"], E extends Encoding> = Sent<D, E> | Uint8Array;

/** How one side of a method travels. The types are those of `Received` and `Sent`, checked there. */
export interface Codec {
  serialize(message: unknown): Buffer;
  deserialize(bytes: Buffer): unknown;
}

export function methodPath(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

export function codecOf(schema: DescMethod["input"], encoding: Encoding): Codec {
  if (encoding === "bytes")
    return { serialize: (bytes) => asBuffer(bytes as Uint8Array), deserialize: (bytes) => bytes };
  return {
    serialize: (message) =>
      asBuffer(
        message instanceof Uint8Array
          ? message
          : toBinary(schema, create(schema, message as MessageInitShape<typeof schema>)),
      ),
    // Unknown fields would be kept in memory, unread, for whoever sends many of them.
    deserialize: (bytes) => fromBinary(schema, bytes, { readUnknownFields: false, recursionLimit: messageDepthMax }),
  };
}

export function methodDefinition(method: DescMethod, encoding: Encoding): MethodDefinition<unknown, unknown> {
  const request = codecOf(method.input, encoding);
  const response = codecOf(method.output, encoding);
  return {
    path: methodPath(method),
    requestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
    responseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
    requestSerialize: request.serialize,
    requestDeserialize(bytes) {
      return readOrError(() => {
        if (encoding === "messages") checkElements(method.input, bytes);
        return request.deserialize(bytes);
      });
    },
    responseSerialize: response.serialize,
    responseDeserialize: response.deserialize,
  };
}

/** grpc-js makes INTERNAL of what is thrown when a request is read: it is handed on instead, for `checkRead`. */
function readOrError(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    if (error instanceof TelemetryError) return error;
    const problem = `message cannot be read: ${errorMessage(error)}`;
    return new TelemetryError("INVALID_ARGUMENT", "MALFORMED_MESSAGE", `${problem}; do not send it again as it is`);
  }
}

/** @throws TelemetryError MALFORMED_MESSAGE where a request could not be read */
export function checkRead<T>(request: T): T {
  if (request instanceof TelemetryError) throw request;
  return request;
}

/** The methods of a service by their names in code: `pushBatch`. */
export function methodsOf(service: DescService): [string, DescMethod][] {
  return Object.entries(service.method);
}

/** grpc-js calls `.copy` on what it sends: a view as Buffer, without copying. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
