import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { TelemetryError } from "../lib/base/errors.ts";
import { embed } from "../lib/wire/embed.ts";
import { ReadSamplesResponseSchema } from "../proto/gen/telemetry/v1/query_service_pb.js";
import { checkDevicesKnown } from "./known-devices.ts";
import { readRange, readSelector } from "./request.ts";
import type { QueryHandlers, QueryOptions } from "./service.ts";

/**
 * Samples as they were sent. No barrier is needed: a group is in the journal before it is acked, and a read that begins
 * later sees it.
 */
export function sampleHandlers({ reader, keepsRaw, clock }: QueryOptions): Pick<QueryHandlers, "readSamples"> {
  return {
    async *readSamples(request, { signal }) {
      const selector = readSelector(request.selector);
      const range = readRange(request.from, request.to);
      if (!keepsRaw) throw notKept();
      await checkDevicesKnown(reader, selector.deviceIds);
      let first = true;
      for await (const page of reader.samples({ selector, ...range, nowMs: clock.nowMs() }, signal)) {
        // The first frame comes even when there is nothing in it.
        if (first) yield Buffer.concat([headOf(page.keptFromMs), embed(1, page.frame)]);
        else if (page.samples > 0) yield embed(1, page.frame);
        first = false;
      }
    },
  };
}

function headOf(keptFromMs: number | undefined): Uint8Array {
  const keptFrom = keptFromMs === undefined ? {} : { keptFrom: timestampFromMs(keptFromMs) };
  return toBinary(ReadSamplesResponseSchema, create(ReadSamplesResponseSchema, keptFrom));
}

function notKept(): TelemetryError {
  return new TelemetryError(
    "FAILED_PRECONDITION",
    "RAW_NOT_KEPT",
    "the server does not keep samples; start it with --keep-raw, such as --keep-raw 1h, to read back what comes from " +
      "then on. Aggregates are there all the same",
  );
}
