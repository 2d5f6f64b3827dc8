import { create, toBinary } from "@bufbuild/protobuf";
import type { TelemetryError } from "../../lib/base/errors.ts";
import { encodeBatchesMessage, encodePushMessage } from "../../lib/wire/batch-encoder.ts";
import {
  type DeviceAck,
  type Refusal,
  type Registered,
  RegistrationSchema,
} from "../../proto/gen/telemetry/v1/batch_pb.js";
import { RejectReason, type StreamBatchesResponse } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { asBatches, asRegistration, batch, type Registration, registration, streamBytes } from "./batches.ts";
import type { TestServer } from "./server.ts";

/** The three ways into a server, with answers of one form, so that a table can go through all of them. */
export const ways = ["push", "upload", "stream"] as const;
export type Way = (typeof ways)[number];

export interface Answer {
  /** The error of the call, or the first reject of a stream. Undefined: all was taken. */
  readonly complaint: { readonly reason: string; readonly text: string } | undefined;
  /** Status of the call. A stream that tells its reason in band ends with OK. */
  readonly status: string;
  readonly ackedSequence: number;
  readonly refusals: readonly Refusal[];
}

/** Sends a registration and a batch, whatever their bytes. */
export function deliver(server: TestServer, way: Way, device: Registration, batch: Uint8Array): Promise<Answer> {
  const register = toBinary(RegistrationSchema, create(RegistrationSchema, device));
  if (way === "push") return sendRaw(server, way, encodePushMessage(register, batch));
  return sendRaw(server, way, streamBytes(asRegistration(device)), encodeBatchesMessage([batch]));
}

/** Sends whole messages, whatever their bytes, and closes our side. */
export async function sendRaw(server: TestServer, way: Way, ...messages: Uint8Array[]): Promise<Answer> {
  try {
    if (way === "push") return await push(server, messages);
    return await (way === "upload" ? upload(server, messages) : stream(server, messages));
  } catch (thrown) {
    const { reason, message, status } = thrown as TelemetryError;
    return { complaint: { reason, text: message }, status, ackedSequence: 0, refusals: [] };
  }
}

async function push(server: TestServer, messages: readonly Uint8Array[]): Promise<Answer> {
  const { registered, refusals } = await server.ingestBytes.pushBatch(Buffer.concat(messages));
  return { complaint: undefined, status: "OK", ackedSequence: Number(registered?.ackedSequence ?? 0), refusals };
}

async function upload(server: TestServer, messages: readonly Uint8Array[]): Promise<Answer> {
  const call = server.ingestBytes.uploadBatches();
  // A server that has refused takes no more; `finish` tells why.
  for (const message of messages) await call.write(message).catch(() => {});
  return { complaint: undefined, status: "OK", ...sumOf((await call.finish()).devices) };
}

async function stream(server: TestServer, messages: readonly Uint8Array[]): Promise<Answer> {
  const call = server.ingestBytes.streamBatches();
  for (const message of messages) await call.write(message).catch(() => {});
  call.end();
  const acks: DeviceAck[] = [];
  let complaint: Answer["complaint"];
  for await (const { message } of call.responses) {
    if (message.case === "ack") acks.push(...message.value.devices);
    else if (message.case === "reject") {
      complaint ??= { reason: RejectReason[message.value.reason] ?? "", text: message.value.detail };
    }
  }
  return { complaint, status: "OK", ...sumOf(acks) };
}

function sumOf(acks: readonly DeviceAck[]): { ackedSequence: number; refusals: readonly Refusal[] } {
  return {
    ackedSequence: Math.max(0, ...acks.map(({ ackedSequence }) => Number(ackedSequence))),
    refusals: acks.flatMap(({ refusals }) => refusals),
  };
}

/** Where the session of a device is, as a registration tells. */
export async function sessionOf(server: TestServer, device: Registration): Promise<Registered> {
  const { registered } = await server.ingest.pushBatch({ registration: device });
  if (registered === undefined) throw new Error("a registration is answered");
  return registered;
}

/** A sender that is there all the time, and must never notice what others do. */
export class Witness {
  readonly #stream: ReturnType<TestServer["ingest"]["streamBatches"]>;
  readonly #responses: AsyncIterator<StreamBatchesResponse>;
  #sequence = 0n;

  static async start(server: TestServer): Promise<Witness> {
    const witness = new Witness(server);
    await witness.#stream.write(asRegistration(registration("witness")));
    await witness.#responses.next();
    return witness;
  }

  private constructor(server: TestServer) {
    this.#stream = server.ingest.streamBatches();
    this.#responses = this.#stream.responses[Symbol.asyncIterator]();
  }

  /** Sends a batch and waits for its ack. @returns the sequences sent and acked */
  async send(): Promise<{ sent: bigint; acked: bigint }> {
    this.#sequence += 1n;
    await this.#stream.write(asBatches(batch(Number(this.#sequence), [1])));
    const { value, done } = await this.#responses.next();
    const device = done !== true && value.message.case === "ack" ? value.message.value.devices[0] : undefined;
    return { sent: this.#sequence, acked: device?.ackedSequence ?? 0n };
  }

  end(): void {
    this.#stream.end();
  }
}
