import { create, toBinary } from "@bufbuild/protobuf";
import type { Principal } from "../lib/access/principal.ts";
import { callOver } from "../lib/base/errors.ts";
import { Direct, type DirectHandler } from "../lib/rpc/direct-call.ts";
import type { CallContext, Handlers } from "../lib/rpc/handlers.ts";
import type { IngestService } from "../proto/gen/telemetry/v1/ingest_service_pb.js";
import { StreamBatchesResponseSchema } from "../proto/gen/telemetry/v1/ingest_service_pb.js";
import { HeldPushes } from "./held-pushes.ts";
import type { Inlet } from "./inlet.ts";
import type { InletCall } from "./inlet-call.ts";

/** The three ways in. Requests are passed on as bytes: the writer thread reads them. */
export function ingestHandlers(inlet: Inlet): Handlers<typeof IngestService, "bytes"> {
  const held = new HeldPushes();
  return {
    async pushBatch(request, { signal, principal }) {
      for (;;) {
        try {
          return await push(inlet, request, principal, signal);
        } catch (error) {
          await held.wait(error, request.length, signal, inlet.draining);
        }
      }
    },

    async uploadBatches(requests, { signal, principal }) {
      const call = inlet.open("upload", principal);
      void forward(requests, call, signal);
      return await onlyAnswer(call);
    },

    streamBatches: new Direct(streams(inlet)),
  };
}

/** By callbacks: what most of the data comes by. */
function streams(inlet: Inlet): DirectHandler {
  return (direct, principal) => {
    const call = inlet.open("stream", principal);
    let isSending = false;
    const answer = () => {
      if (isSending) return;
      const answers = call.takeAnswers();
      const isLast = call.isOver;
      if (isLast && call.drained) answers.push(drainMessage);
      if (answers.length > 0) {
        isSending = true;
        direct.send(answers, () => {
          isSending = false;
          answer();
        });
      }
      if (isLast) direct.end(call.failure);
    };
    call.onChange = answer;
    return {
      onMessage(message) {
        if (call.sendNow(message)) return true;
        void call.send(message).then((mayGoOn) => mayGoOn && direct.resume());
        return false;
      },
      onEnd: () => call.halfClose(),
      onDrain: () => call.drain(),
      onOver: () => call.cancel(),
    };
  };
}

const drainMessage = toBinary(
  StreamBatchesResponseSchema,
  create(StreamBatchesResponseSchema, {
    message: { case: "drain", value: { detail: "the server is giving up this connection; connect again" } },
  }),
);

async function push(
  inlet: Inlet,
  request: Uint8Array,
  principal: Principal,
  signal: CallContext["signal"],
): Promise<Uint8Array> {
  const call = inlet.open("push", principal);
  signal.addEventListener("abort", () => call.cancel(), { once: true });
  if (await call.send(request)) call.halfClose();
  return await onlyAnswer(call);
}

/** Reads a call's messages, no faster than they are settled. */
async function forward(requests: AsyncIterable<Uint8Array>, call: InletCall, signal: CallContext["signal"]) {
  // Reading may be waiting for room when the client goes.
  signal.addEventListener("abort", () => call.cancel(), { once: true });
  try {
    for await (const message of requests) {
      if (!(await call.send(message))) return;
    }
    call.halfClose();
  } catch {
    // The call is over, and grpc-js has told its client why, if it is there.
    call.cancel();
  }
}

async function onlyAnswer(call: InletCall): Promise<Uint8Array> {
  for await (const answer of call.answers()) return answer;
  throw callOver();
}
