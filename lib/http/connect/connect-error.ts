import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import type { Log } from "../../base/log.ts";
import { detailsRegistry, richStatus } from "../../rpc/status.ts";
import { toldError } from "../http-error.ts";

/** The same code, message and details as gRPC tells; the codes of Connect are those of gRPC. */
export function toConnectError(error: unknown, log: Log): ConnectError {
  const { code, message, details } = richStatus(toldError(error, log));
  const outgoing = details.flatMap((detail) => {
    const value = anyUnpack(detail, detailsRegistry);
    const desc = value === undefined ? undefined : detailsRegistry.getMessage(value.$typeName);
    return value === undefined || desc === undefined ? [] : [{ desc, value: value as never }];
  });
  return new ConnectError(message, code, undefined, outgoing);
}
