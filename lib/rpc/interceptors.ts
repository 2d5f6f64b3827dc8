import { ResponderBuilder, ServerInterceptingCall, type ServerInterceptor, ServerListenerBuilder } from "@grpc/grpc-js";
import type { Clock } from "../base/clock.ts";
import { formatDuration } from "../base/duration.ts";
import { TelemetryError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { cancelled, type OnCallOver, statusName } from "./call-over.ts";
import { toStatus } from "./status.ts";

/** Tells of each call that grpc-js carries when it is over. */
export function observing(onCallOver: OnCallOver, clock: Clock): ServerInterceptor {
  return ({ path }, call) => {
    const startMs = clock.elapsedMs();
    let isOver = false;
    const over = (status: string) => {
      if (isOver) return;
      isOver = true;
      onCallOver({ path, status, durationMs: clock.elapsedMs() - startMs, peer: call.getPeer() });
    };
    const listener = new ServerListenerBuilder().withOnCancel(() => over(cancelled)).build();
    const responder = new ResponderBuilder()
      .withStart((next) => next(listener))
      .withSendStatus((status, next) => {
        over(statusName(status.code));
        next(status);
      })
      .build();
    return new ServerInterceptingCall(call, responder);
  };
}

/** Ends unary calls that take longer than any should, also those whose client has set no deadline. */
export function unaryDeadline(msMax: number, log: Log): ServerInterceptor {
  return ({ requestStream, responseStream }, call) => {
    if (requestStream || responseStream) return new ServerInterceptingCall(call);
    const timer = setTimeout(() => call.sendStatus(toStatus(tookTooLong(msMax), log)), msMax);
    const listener = new ServerListenerBuilder().withOnCancel(() => clearTimeout(timer)).build();
    const responder = new ResponderBuilder()
      .withStart((next) => next(listener))
      .withSendStatus((status, next) => {
        clearTimeout(timer);
        next(status);
      })
      .build();
    return new ServerInterceptingCall(call, responder);
  };
}

/** For unary calls that the server gives up. */
export function tookTooLong(msMax: number): TelemetryError {
  return new TelemetryError(
    "DEADLINE_EXCEEDED",
    "TOOK_TOO_LONG",
    `the server has not answered within ${formatDuration(msMax)}, after which it gives up; look at its status, then call again`,
  );
}
