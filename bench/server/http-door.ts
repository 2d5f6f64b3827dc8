import type { Encoding } from "../cell.ts";
import { encodeNamedAck } from "./acks.ts";
import type { Door } from "./door.ts";
import type { HttpAnswer, TakeBody } from "./http-answer.ts";
import { unpack } from "./http-body.ts";
import { readJsonColumns, readJsonRows } from "./json-body.ts";
import { readNamedColumns, readNamedRows } from "./protobuf-body.ts";

/** Bodies of HTTP, through a door. */
export function throughDoor(door: Door): TakeBody {
  const push: Readonly<Record<Encoding, (body: Buffer) => Promise<number>>> = {
    "json-rows": (body) => door.push(readJsonRows(body)),
    "json-columns": (body) => door.push(readJsonColumns(body)),
    "protobuf-rows": (body) => door.push(readNamedRows(body)),
    "protobuf-columns": (body) => door.pushEncoded(readNamedColumns(body)),
  };
  return async (encoding, body, contentEncoding) =>
    acked(encoding, await push[encoding](unpack(body, contentEncoding)));
}

/** That a batch is settled. */
export function acked(encoding: Encoding, ackedSequence: number): HttpAnswer {
  if (encoding.startsWith("json")) {
    return { status: 200, contentType: "application/json", body: `{"ackedSequence":${ackedSequence}}` };
  }
  return { status: 200, contentType: "application/protobuf", body: encodeNamedAck(ackedSequence) };
}
