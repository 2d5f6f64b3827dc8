import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Batch } from "../../../proto/gen/telemetry/v1/batch_pb.js";
import {
  IngestService,
  type StreamBatchesRequest,
  type StreamBatchesResponseSchema,
} from "../../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { serve } from "../../support/rpc.ts";

export type Answer = NonNullable<MessageInitShape<typeof StreamBatchesResponseSchema>["message"]>;

/** A peer that answers a stream as a test wants it to. It counts nothing. */
export interface ScriptedServer {
  readonly address: string;
  /** Sequences in the order in which they came, one list per stream. */
  readonly streams: readonly (readonly number[])[];
}

/** The rules of a test; without one, a registration is answered and every batch is acked. */
export interface Script {
  onRegistration?(handle: number, stream: number): Answer[];
  onBatch?(batch: Batch, stream: number): Answer[];
  /** Awaited before each message that carries batches is read. */
  beforeBatches?(stream: number): Promise<void>;
}

export async function serveScript(script: Script): Promise<ScriptedServer> {
  const streams: number[][] = [];
  const { address } = await serve(IngestService, "messages", {
    async *streamBatches(requests) {
      const sequences: number[] = [];
      const stream = streams.push(sequences);
      for await (const { message } of requests) {
        if (message.case === "batches") {
          await script.beforeBatches?.(stream);
          for (const batch of message.value.batches) {
            sequences.push(Number(batch.sequence));
            for (const answer of script.onBatch?.(batch, stream) ?? [ack(batch)]) yield { message: answer };
          }
        } else yield* registrationAnswers(message, stream, script);
      }
    },
  });
  return { address, streams };
}

function* registrationAnswers(message: StreamBatchesRequest["message"], stream: number, script: Script) {
  if (message.case !== "registration") return;
  const handle = message.value.deviceHandle;
  for (const answer of script.onRegistration?.(handle, stream) ?? [registered(handle)]) yield { message: answer };
}

export function registered(deviceHandle: number, ackedSequence = 0): Answer {
  return { case: "registered", value: { deviceHandle, ackedSequence: BigInt(ackedSequence) } };
}

export function ack({ deviceHandle, sequence }: Pick<Batch, "deviceHandle" | "sequence">): Answer {
  return { case: "ack", value: { devices: [{ deviceHandle, ackedSequence: sequence }] } };
}
