import { fromBinary } from "@bufbuild/protobuf";
import { errorMessage, TelemetryError } from "../lib/base/errors.ts";
import { messageBytesMax } from "../lib/base/limits.ts";
import { type BatchHeader, readBatchHeader } from "../lib/wire/batch-decoder.ts";
import { WireError, WireReader, wireBytes } from "../lib/wire/wire-reader.ts";
import { type Gap, GapSchema, type Registration, RegistrationSchema } from "../proto/gen/telemetry/v1/batch_pb.js";
import type { Call } from "./call.ts";

/** Who takes the parts of messages, in their order. */
export interface MessageParts {
  onRegistration(call: Call, registration: Registration): void;
  /** @param bytes the message; the header says where the batch lies in it */
  onBatch(call: Call, bytes: Uint8Array, header: BatchHeader): void;
  onGap(call: Call, gap: Gap): void;
}

/** Reads what clients send, but for the tables of batches; what cannot be read is rejected, and ends its call. */
export class MessageReader {
  readonly #parts: MessageParts;
  readonly #message = new WireReader();
  readonly #header = new WireReader();

  constructor(parts: MessageParts) {
    this.#parts = parts;
  }

  /** Reads the message `bytes[start..end]`. */
  read(call: Call, bytes: Uint8Array, start: number, end: number): void {
    try {
      if (end - start > messageBytesMax) {
        throw malformed(`message has ${end - start} bytes, the limit is ${messageBytesMax}; send smaller messages`);
      }
      this.#readMessage(call, this.#message.reset(bytes, start, end));
    } catch (error) {
      if (error instanceof TelemetryError) call.reject(error);
      else if (error instanceof WireError) call.reject(unreadable("message", error));
      else throw error;
    }
  }

  /** The three requests have the same fields; field 2 is a batch in a push, and batches in the others. */
  #readMessage(call: Call, message: WireReader): void {
    const { bytes } = message;
    const parts = this.#parts;
    let count = 0;
    let registrations = 0;
    while (message.nextField()) {
      const { field } = message;
      if (field < 1 || field > 3) {
        message.skip();
        continue;
      }
      message.expect(wireBytes);
      const end = message.span();
      count += 1;
      if (field === 1) {
        registrations += 1;
        // Each is answered: thousands in one message would make one answer too large to send.
        if (registrations > 1) throw malformed("registration comes twice in one message; send a message for each");
        parts.onRegistration(call, decode(RegistrationSchema, "registration", bytes, message.pos, end));
      } else if (field === 3) parts.onGap(call, decode(GapSchema, "gap", bytes, message.pos, end));
      else if (call.method === "push") this.#readBatch(call, message, end);
      else this.#readBatches(call, message, end);
      message.pos = end;
      if (call.end !== "open") return;
    }
    if (count === 0) throw malformed("message has none of registration, batches and gap; send one of them");
    if (call.method === "push" && call.devices.size === 0) {
      throw malformed("registration is missing; send it with every push");
    }
  }

  #readBatches(call: Call, message: WireReader, end: number): void {
    const messageEnd = message.end;
    message.end = end;
    while (message.nextField()) {
      if (message.field !== 1) {
        message.skip();
        continue;
      }
      message.expect(wireBytes);
      const batchEnd = message.span();
      this.#readBatch(call, message, batchEnd);
      message.pos = batchEnd;
      if (call.end !== "open") break;
    }
    message.end = messageEnd;
  }

  #readBatch(call: Call, { bytes, pos }: WireReader, end: number): void {
    this.#parts.onBatch(call, bytes, readBatchHeader(this.#header.reset(bytes, pos, end)));
  }
}

function decode<T extends typeof RegistrationSchema | typeof GapSchema>(
  schema: T,
  field: string,
  bytes: Uint8Array,
  start: number,
  end: number,
) {
  try {
    return fromBinary(schema, bytes.subarray(start, end), { readUnknownFields: false });
  } catch (error) {
    throw unreadable(field, error);
  }
}

function unreadable(field: string, error: unknown): TelemetryError {
  return malformed(`${field} cannot be read: ${errorMessage(error)}; send what telemetry.v1 describes`);
}

/** Of the part of a message that a text begins with. */
export function malformed(message: string): TelemetryError {
  return new TelemetryError("INVALID_ARGUMENT", "MALFORMED_MESSAGE", message, {
    field: message.split(" ", 1)[0] ?? "",
  });
}
