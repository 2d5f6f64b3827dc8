import type { ServerDuplexStream } from "@grpc/grpc-js";
import type { Principal } from "../access/principal.ts";
import type { CallEnvironment, DirectCall, DirectHandler, DirectReceiver } from "./direct-call.ts";
import { toStatus } from "./status.ts";

/** Has grpc-js carry a call that only it can read. */
export function carry(
  call: ServerDuplexStream<unknown, unknown>,
  handler: DirectHandler,
  principal: Principal,
  { connections, log }: CallEnvironment,
): void {
  let isEnding = false;
  let isReading = true;
  let hasEnded = false;
  const direct: DirectCall = {
    resume() {
      if (isReading || isEnding) return;
      isReading = true;
      if (hasEnded) receiver?.onEnd();
      else call.resume();
    },
    send(messages, onSent) {
      if (isEnding) return;
      for (const [i, message] of messages.entries()) {
        call.write(message, (error: unknown) => {
          if (i === messages.length - 1 && (error === null || error === undefined)) onSent();
        });
      }
    },
    end(error) {
      if (isEnding) return;
      isEnding = true;
      if (error === undefined) call.end();
      else call.emit("error", toStatus(error, log));
    },
  };
  let receiver: DirectReceiver | undefined;
  try {
    receiver = handler(direct, principal);
  } catch (error) {
    direct.end(error);
    return;
  }
  call.on("data", (message: Uint8Array) => {
    if (isEnding || receiver.onMessage(message) || isEnding) return;
    isReading = false;
    call.pause();
  });
  call.on("end", () => {
    hasEnded = true;
    if (isReading && !isEnding) receiver.onEnd();
  });
  const draining = connections.draining(call.getPeer());
  const drain = () => receiver.onDrain?.();
  draining.addEventListener("abort", drain, { once: true });
  // Fires after success too: it means that the call is over.
  call.on("cancelled", () => {
    isEnding = true;
    draining.removeEventListener("abort", drain);
    receiver.onOver();
  });
}
