import type { ClientDuplexStream, ClientReadableStream, ServiceError } from "@grpc/grpc-js";
import { neverAborted } from "../base/wait.ts";
import { incoming } from "./flow.ts";
import { fromServiceError } from "./status.ts";

type ReadableCall = ClientReadableStream<unknown> | ClientDuplexStream<unknown, unknown>;

/** What a client's call is answered. Leaving the loop early cancels the call. */
export function responsesOf(call: ReadableCall): AsyncIterableIterator<unknown, void> {
  let failure: ServiceError | undefined;
  // From the start: an error before the first read would be thrown at nobody, and then forgotten.
  call.on("error", (error: ServiceError) => {
    failure = error;
  });
  async function* read() {
    try {
      yield* incoming(call, neverAborted);
    } catch (error) {
      if (failure === undefined) throw error;
    } finally {
      call.cancel();
    }
    if (failure !== undefined) throw fromServiceError(failure);
  }
  const reading = read();
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next: () => reading.next(),
    // A generator that was never asked for anything would end without its `finally`.
    return: async () => {
      call.cancel();
      return await reading.return();
    },
  };
}
