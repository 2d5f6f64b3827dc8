import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { messageBytesMax } from "../base/limits.ts";

/** Attempts of a call that may be repeated, the first included. */
export const attemptsMax = 4;

/**
 * Exponential backoff as gRPC has it (proposal A6): 0.1 s, then twice as long each time, each 20 % more or less by
 * chance. A server that knows better says so (`grpc-retry-pushback-ms`), and its time goes first.
 */
const retryPolicy = {
  maxAttempts: attemptsMax,
  initialBackoff: "0.1s",
  maxBackoff: "2s",
  backoffMultiplier: 2,
  retryableStatusCodes: ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
};

/**
 * Options of a client that repeats no call. grpc-js keeps what is sent on a call while there is room for it, and until
 * then a write does not wait, whether the call may be repeated or not: streams must have no room.
 */
export const noRetries = { "grpc.enable_retries": 0, "grpc.per_rpc_retry_buffer_size": 0 };

/** Options of a client that repeats calls. What has no room is not repeated: nothing that is too large for a server. */
export const retries = { "grpc.enable_retries": 1, "grpc.per_rpc_retry_buffer_size": messageBytesMax };

/** The methods of a service that may be repeated, by their contract. Streams are resumed, not repeated. */
export function repeatable(service: DescService): DescMethod[] {
  return service.methods.filter(
    ({ methodKind, idempotency }) =>
      methodKind === "unary" && idempotency !== MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN,
  );
}

/**
 * The service config of a client, as grpc-js takes it.
 * @param servers how many addresses there are: calls take turns over several
 */
export function serviceConfig(servers: number, methods: readonly DescMethod[] = []): string {
  const name = methods.map((method) => ({ service: method.parent.typeName, method: method.name }));
  return JSON.stringify({
    loadBalancingConfig: [servers > 1 ? { round_robin: {} } : { pick_first: {} }],
    methodConfig: name.length === 0 ? [] : [{ name, retryPolicy }],
  });
}
