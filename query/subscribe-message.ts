import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Revision, SeriesRow } from "../lib/store/store.ts";
import { encodeMetric } from "../lib/wire/window-frame.ts";
import {
  SubscribeResponseSchema,
  type SubscriptionEndReason,
  WindowFrameSchema,
} from "../proto/gen/telemetry/v1/query_service_pb.js";

/** Messages of a subscription as bytes: their frames are encoded already, for many subscribers at once. */

const lengthDelimited = 2;
const tagOf = (field: number) => (field << 3) | lengthDelimited;
const { field: fields } = SubscribeResponseSchema;
const frameTags = { snapshot: tagOf(fields.snapshot.number), changes: tagOf(fields.changes.number) };
const tokenTag = tagOf(fields.resumeToken.number);

/** @param frame a WindowFrame; @param series those that the call has not been told and the frame does not tell */
export function frameMessage(
  kind: "snapshot" | "changes",
  frame: Uint8Array,
  series: readonly SeriesRow[],
  token: Uint8Array,
): Uint8Array {
  // The fields of a message may come in any order, so those of one may be put before those of the other.
  const told = series.length === 0 ? none : toBinary(WindowFrameSchema, seriesOnly(series));
  return new BinaryWriter()
    .uint32(frameTags[kind])
    .uint32(told.length + frame.length)
    .raw(told)
    .raw(frame)
    .uint32(tokenTag)
    .bytes(token)
    .finish();
}

export function heartbeatMessage(revision: Revision, nowMs: number, resumeToken: Uint8Array): Uint8Array {
  const value = { revision: BigInt(revision), time: timestampFromMs(nowMs) };
  return toBinary(
    SubscribeResponseSchema,
    create(SubscribeResponseSchema, { event: { case: "heartbeat", value }, resumeToken }),
  );
}

export function endMessage(reason: SubscriptionEndReason, detail: string, resumeToken: Uint8Array): Uint8Array {
  const value = { reason, detail };
  return toBinary(
    SubscribeResponseSchema,
    create(SubscribeResponseSchema, { event: { case: "end", value }, resumeToken }),
  );
}

const none = new Uint8Array();

function seriesOnly(series: readonly SeriesRow[]) {
  return create(WindowFrameSchema, { series: series.map((row) => ({ handle: row.id, metric: encodeMetric(row) })) });
}
