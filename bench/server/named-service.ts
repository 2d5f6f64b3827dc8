import { TelemetryError } from "../../lib/base/errors.ts";
import type { DirectHandler } from "../../lib/rpc/direct-call.ts";
import type { RpcServer } from "../../lib/rpc/server.ts";
import { NamedService } from "../../proto/gen/bench/v1/named_service_pb.js";
import { encodeAck, encodeNamedAck } from "./acks.ts";
import type { Door } from "./door.ts";
import { readNamedColumns } from "./protobuf-body.ts";

/** Batches of one stream that are not acked yet, or whose ack is not read: the stream is not read meanwhile. */
const outstandingMax = 64;

/** `bench.v1.NamedService`, through a door. */
export function addNamedService(rpc: RpcServer, door: Door): void {
  rpc.add(NamedService, "bytes", {
    pushNamed: async (request) => encodeNamedAck(await door.pushEncoded(readNamedColumns(asBuffer(request)))),
    // biome-ignore lint/correctness/useYield: it has nothing to answer
    async *streamNamed() {
      throw new TelemetryError("UNIMPLEMENTED", "NOT_DIRECT", "send without compression and without a deadline");
    },
  });
  rpc.addDirect(NamedService.method.streamNamed, namedStreams(door));
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
        answers.push(encodeAck(batch.deviceHandle, await door.pushEncoded(batch)));
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
