import type { Message } from "@bufbuild/protobuf";
import { heartbeatIntervalMs } from "../../base/limits.ts";
import type { Log } from "../../base/log.ts";
import { outgoing } from "../../rpc/flow.ts";
import type { Exchange } from "../exchange.ts";
import type { HttpCall } from "../http-call.ts";
import { statusJson, toldError } from "../http-error.ts";
import type { StreamForm } from "./stream-form.ts";

/**
 * Writes what a call streams, no faster than its client reads. What fails before the first message is thrown: it has a
 * status of its own then.
 */
export async function answerStream(
  exchange: Exchange,
  call: HttpCall,
  messages: AsyncGenerator<Message, void>,
  form: StreamForm,
  log: Log,
): Promise<void> {
  const { response } = exchange;
  const write = async (text: string) => {
    if (!response.headersSent) {
      exchange.begin(200, form.contentType);
      response.flushHeaders();
      if (form.begin !== "") await outgoing(response, form.begin, call.signal);
    }
    if (text !== "") await outgoing(response, text, call.signal);
  };
  try {
    for await (const message of withPauses(messages, heartbeatIntervalMs)) {
      await write(message === undefined ? form.heartbeat : form.message(message));
    }
    await write(form.end);
    response.end();
  } catch (error) {
    if (!response.headersSent) throw error;
    if (exchange.isOver) return;
    const failure = form.failure(statusJson(toldError(error, log)));
    // A form that cannot tell: an answer that ends early is not taken for a whole one.
    if (failure === undefined) response.destroy();
    else response.end(failure);
  }
}

/** Also undefined, when no message has come for `pauseMs`. */
export async function* withPauses<T>(
  messages: AsyncGenerator<T, void>,
  pauseMs: number,
): AsyncGenerator<T | undefined> {
  try {
    let next = messages.next();
    for (;;) {
      const pause = Promise.withResolvers<undefined>();
      const timer = setTimeout(() => pause.resolve(undefined), pauseMs);
      const result = await Promise.race([next, pause.promise]).finally(() => clearTimeout(timer));
      if (result === undefined) yield undefined;
      else if (result.done === true) return;
      else {
        yield result.value;
        next = messages.next();
      }
    }
  } finally {
    await messages.return();
  }
}
