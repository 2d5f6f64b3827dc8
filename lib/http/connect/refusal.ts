import type { Status } from "../../../proto/gen/google/rpc/status_pb.js";
import type { TelemetryError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { richStatus, toStatus } from "../../rpc/status.ts";
import type { Exchange } from "../exchange.ts";
import { errorHeaders, httpStatusOf, toldError } from "../http-error.ts";

/**
 * Answers a request before its body is read, in the words of its protocol: the library would read the body first.
 * https://connectrpc.com/docs/protocol, https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md
 */
export function refuse(exchange: Exchange, error: unknown, log: Log): void {
  const told = toldError(error, log);
  const type = exchange.header("content-type") ?? "";
  if (type.startsWith("application/grpc-web")) refuseGrpcWeb(exchange, type, told, log);
  else if (type.startsWith("application/connect+")) {
    const end = JSON.stringify({ error: connectJson(richStatus(told)) });
    exchange.send({ status: 200, contentType: type, body: envelope(endOfStream, Buffer.from(end)) });
  } else {
    exchange.send({
      status: httpStatusOf(told),
      contentType: "application/json",
      body: JSON.stringify(connectJson(richStatus(told))),
      headers: errorHeaders(told),
    });
  }
}

/** All of it is in the headers, where there is no message. */
function refuseGrpcWeb(exchange: Exchange, contentType: string, told: TelemetryError, log: Log): void {
  const { code, details, metadata } = toStatus(told, log);
  const headers = Object.entries(metadata?.toHttp2Headers() ?? {}).map(([name, value]) => [name, String(value)]);
  exchange.send({
    status: 200,
    contentType,
    body: "",
    headers: {
      ...Object.fromEntries(headers),
      "grpc-status": String(code),
      "grpc-message": encodeURIComponent(details ?? ""),
    },
  });
}

function connectJson({ code, message, details }: Status) {
  return {
    code: codeNames[code] ?? "unknown",
    message,
    details: details.map(({ typeUrl, value }) => ({
      type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1),
      value: Buffer.from(value).toString("base64").replace(/=+$/, ""),
    })),
  };
}

const endOfStream = 2;

function envelope(flags: number, message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flags, 0);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** By the numbers of gRPC. */
const codeNames: readonly string[] = [
  "ok",
  "canceled",
  "unknown",
  "invalid_argument",
  "deadline_exceeded",
  "not_found",
  "already_exists",
  "permission_denied",
  "resource_exhausted",
  "failed_precondition",
  "aborted",
  "out_of_range",
  "unimplemented",
  "internal",
  "unavailable",
  "data_loss",
  "unauthenticated",
];
