import { InterceptingCall, type Interceptor } from "@grpc/grpc-js";
import { systemClock } from "../base/clock.ts";
import { statusName } from "./call-over.ts";

/** What becomes of every call of a client, in the form that grpc-js has for it. */

/** A call that is over. */
export interface CallReport {
  /** `/telemetry.v1.QueryService/ListDevices`. */
  readonly path: string;
  /** Name of its status: `OK`, `UNAVAILABLE`. */
  readonly status: string;
  /** All its attempts together, and the waits between them. */
  readonly durationMs: number;
}

/** Gives calls a deadline that have none. */
export function deadlines(timeoutMs: number): Interceptor {
  return (options, nextCall) =>
    new InterceptingCall(nextCall({ ...options, deadline: options.deadline ?? systemClock.nowMs() + timeoutMs }));
}

/** Says who calls. @param authorization the header of that name */
export function authorizations(authorization: string): Interceptor {
  return (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start(metadata, listener, next) {
        metadata.set("authorization", authorization);
        next(metadata, listener);
      },
    });
}

/** Tells of each call when it is over. Its attempts are one call. */
export function reports(onCall: (call: CallReport) => void): Interceptor {
  return (options, nextCall) => {
    const startMs = systemClock.elapsedMs();
    const { path } = options.method_definition;
    return new InterceptingCall(nextCall(options), {
      start(metadata, _, next) {
        next(metadata, {
          onReceiveStatus(ended, pass) {
            onCall({ path, status: statusName(ended.code), durationMs: systemClock.elapsedMs() - startMs });
            pass(ended);
          },
        });
      },
    });
  };
}
