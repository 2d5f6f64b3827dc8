import { silentLog } from "../../lib/base/log.ts";
import { Direct } from "../../lib/rpc/direct-call.ts";
import { everyMethod } from "../../lib/rpc/gate.ts";
import type { Handlers } from "../../lib/rpc/handlers.ts";
import { RpcServer } from "../../lib/rpc/server.ts";
import type { KeyPair } from "../../lib/rpc/tls.ts";
import { encodeStreamAck } from "../../lib/wire/ack-encoder.ts";
import { type BatchHeader, readBatchHeader } from "../../lib/wire/batch-decoder.ts";
import { WireReader } from "../../lib/wire/wire-reader.ts";
import { NamedService } from "../../proto/gen/bench/v1/named_service_pb.js";
import { IngestService } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { encodeAck, encodeFirstField, encodeNamedAck } from "./acks.ts";
import type { Backend } from "./backend.ts";
import { acked } from "./http-door.ts";
import { readNamedColumns } from "./protobuf-body.ts";

/** Acks that fit every sequence, for those who are not told which one. */
const anySequence = Number.MAX_SAFE_INTEGER;

/** What takes everything, keeps nothing and answers at once, by every way: the generator's own limit shows. */
export async function startNull(tls: KeyPair | undefined): Promise<Backend> {
  const rpc = new RpcServer(silentLog);
  rpc.add(IngestService, "bytes", ingestHandlers, everyMethod(IngestService, "ingest"));
  rpc.add(NamedService, "bytes", namedHandlers, everyMethod(NamedService, "ingest"));
  const { address } = await rpc.listen("127.0.0.1:0", { tls });
  const json = Promise.resolve(acked("json-rows", anySequence));
  const protobuf = Promise.resolve(acked("protobuf-rows", anySequence));
  return {
    address,
    pragmas: {},
    limits: "null server: keeps nothing",
    bytesInFlight: 0,
    failed: new Promise(() => {}),
    take: (encoding) => (encoding.startsWith("json") ? json : protobuf),
    stop: () => rpc.close(1_000),
  };
}

const namedAck = encodeNamedAck(anySequence);

const namedHandlers: Handlers<typeof NamedService, "bytes"> = {
  pushNamed: async () => namedAck,
  streamNamed: answeredAtOnce(namedAnswers),
};

const ingestHandlers: Handlers<typeof IngestService, "bytes"> = {
  async pushBatch(request) {
    const { registered = 0, batches } = readHeads(request, "batch");
    return encodeFirstField(encodeAck(registered, batches[0]?.sequence ?? 0));
  },

  async uploadBatches(requests) {
    const sequences = new Map<number, number>();
    for await (const request of requests) {
      for (const { deviceHandle, sequence } of readHeads(request, "batches").batches) {
        sequences.set(deviceHandle, sequence);
      }
    }
    return Buffer.concat(Array.from(sequences, ([handle, sequence]) => encodeFirstField(encodeAck(handle, sequence))));
  },

  streamBatches: answeredAtOnce(streamAnswers),
};

function namedAnswers(request: Uint8Array): Uint8Array[] {
  const { deviceHandle, sequence } = readNamedColumns(request as Buffer);
  return [encodeAck(deviceHandle, sequence)];
}

function streamAnswers(request: Uint8Array): Uint8Array[] {
  const { registered, batches } = readHeads(request, "batches");
  const answers = registered === undefined ? [] : [encodeFirstField(encodeAck(registered, 0))];
  if (batches.length > 0) {
    answers.push(
      encodeStreamAck(batches.map(({ deviceHandle, sequence }) => ({ deviceHandle, ackedSequence: sequence }))),
    );
  }
  return answers;
}

function answeredAtOnce(answersOf: (request: Uint8Array) => Uint8Array[]): Direct {
  return new Direct((call) => ({
    onMessage(request) {
      call.send(answersOf(request), () => {});
      return true;
    },
    onEnd: () => call.end(),
    onOver: () => {},
  }));
}

const message = new WireReader();
const part = new WireReader();

/** The heads of what a request carries, as `ingest/message-reader.ts` reads them; nothing is checked. */
function readHeads(bytes: Uint8Array, kind: "batch" | "batches") {
  const batches: BatchHeader[] = [];
  let registered: number | undefined;
  message.reset(bytes);
  while (message.nextField()) {
    const end = message.span();
    if (message.field === 1) registered = readHandle(bytes, message.pos, end);
    else if (message.field === 2 && kind === "batch") {
      batches.push(readBatchHeader(part.reset(bytes, message.pos, end)));
    } else if (message.field === 2) {
      const messageEnd = message.end;
      message.end = end;
      while (message.nextField()) {
        const batchEnd = message.span();
        batches.push(readBatchHeader(part.reset(bytes, message.pos, batchEnd)));
        message.pos = batchEnd;
      }
      message.end = messageEnd;
    }
    message.pos = end;
  }
  return { registered, batches };
}

/** The first field of a `Registration`. */
function readHandle(bytes: Uint8Array, start: number, end: number): number {
  part.reset(bytes, start, end);
  while (part.nextField()) {
    if (part.field === 1) return part.uint32();
    part.skip();
  }
  return 0;
}
