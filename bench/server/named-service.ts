import { Direct, type DirectHandler } from "../../lib/rpc/direct-call.ts";
import type { Handlers } from "../../lib/rpc/handlers.ts";
import type { NamedService } from "../../proto/gen/bench/v1/named_service_pb.js";
import { encodeAck, encodeNamedAck } from "./acks.ts";
import type { Door } from "./door.ts";
import { readNamedColumns } from "./protobuf-body.ts";

/** Batches of one stream that are not acked yet, or whose ack is not read: the stream is not read meanwhile. */
const outstandingMax = 64;

/** `bench.v1.NamedService`, through a door. */
export function namedHandlers(door: Door): Handlers<typeof NamedService, "bytes"> {
  return {
    pushNamed: async (request) => encodeNamedAck(await door.pushEncoded(readNamedColumns(asBuffer(request)))),
    streamNamed: new Direct(namedStreams(door)),
  };
}

/** Acks go out as batches are settled; a batch that is refused ends its stream. */
export function namedStreams(door: Door): DirectHandler {
  return (call) => {
    let answers: Uint8Array[] = [];
    let outstanding = 0;
    let isEnding = false;
    let isSending = false;
    let isHeld = false;
    const answer = () => {
      if (isSending) return;
      if (answers.length > 0) {
        isSending = true;
        call.send(answers, () => {
          isSending = false;
          answer();
        });
        answers = [];
      } else if (isEnding && outstanding === 0) call.end();
      if (isHeld && outstanding + answers.length < outstandingMax) {
        isHeld = false;
        call.resume();
      }
    };
    const push = async (request: Uint8Array) => {
      try {
        const batch = readNamedColumns(asBuffer(request));
        const ackedSequence = await door.pushEncoded(batch);
        answers.push(encodeAck(batch.deviceHandle, ackedSequence));
      } catch (error) {
        call.end(error);
      }
      outstanding -= 1;
      answer();
    };
    const end = () => {
      isEnding = true;
      answer();
    };
    door.draining.addEventListener("abort", end, { once: true });
    if (door.draining.aborted) end();
    return {
      onMessage(request) {
        outstanding += 1;
        void push(request);
        isHeld = outstanding + answers.length >= outstandingMax;
        return !isHeld;
      },
      onEnd: end,
      onOver: () => door.draining.removeEventListener("abort", end),
    };
  };
}

/** grpc-js hands out Buffers. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
