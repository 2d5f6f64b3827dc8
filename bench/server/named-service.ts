import type { Handlers } from "../../lib/rpc/server.ts";
import type { NamedService } from "../../proto/gen/bench/v1/named_service_pb.js";
import { encodeAck, encodeNamedAck } from "./acks.ts";
import type { Door } from "./door.ts";
import { readNamedColumns } from "./protobuf-body.ts";

/** Batches of one stream that are not acked yet, or whose ack is not read: the stream is not read meanwhile. */
const outstandingMax = 64;

/** `bench.v1.NamedService`, through a door. */
export function namedHandlers(door: Door): Handlers<typeof NamedService, "bytes"> {
  return {
    async pushNamed(request) {
      return encodeNamedAck(await door.pushEncoded(readNamedColumns(asBuffer(request))));
    },

    async *streamNamed(requests) {
      const stream = new NamedStream(door);
      void stream.take(requests);
      yield* stream.answers();
    },
  };
}

/** One stream. Acks go out as batches are settled; a batch that is refused ends it. */
class NamedStream {
  readonly #door: Door;
  #answers: Uint8Array[] = [];
  #outstanding = 0;
  #isEnding = false;
  #failure: { readonly error: unknown } | undefined;
  #changed = Promise.withResolvers<void>();

  constructor(door: Door) {
    this.#door = door;
    door.draining.addEventListener("abort", this.#end, { once: true });
    if (door.draining.aborted) this.#end();
  }

  async take(requests: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      for await (const request of requests) {
        void this.#push(request);
        while (this.#outstanding + this.#answers.length >= outstandingMax) await this.#changed.promise;
      }
    } catch (error) {
      this.#failure ??= { error };
    }
    this.#end();
  }

  async *answers(): AsyncGenerator<Uint8Array, void> {
    for (;;) {
      const answer = this.#answers.shift();
      if (answer !== undefined) {
        this.#wake();
        yield answer;
      } else if (this.#failure !== undefined) throw this.#failure.error;
      else if (this.#isEnding && this.#outstanding === 0) return;
      else await this.#changed.promise;
    }
  }

  async #push(request: Uint8Array): Promise<void> {
    this.#outstanding += 1;
    try {
      const batch = readNamedColumns(asBuffer(request));
      this.#answers.push(encodeAck(batch.deviceHandle, await this.#door.pushEncoded(batch)));
    } catch (error) {
      this.#failure ??= { error };
    }
    this.#outstanding -= 1;
    this.#wake();
  }

  readonly #end = () => {
    this.#isEnding = true;
    this.#door.draining.removeEventListener("abort", this.#end);
    this.#wake();
  };

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

/** grpc-js hands out Buffers. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
