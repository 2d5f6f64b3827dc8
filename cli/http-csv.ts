import type { CsvOf } from "../lib/http/rest/stream-form.ts";
import { methodPath } from "../lib/rpc/binding.ts";
import { SampleFrameReader } from "../lib/wire/sample-frame.ts";
import { FrameReader } from "../lib/wire/window-frame.ts";
import {
  type QueryRangeRequest,
  type QueryRangeResponse,
  QueryService,
  type ReadSamplesResponse,
} from "../proto/gen/telemetry/v1/query_service_pb.js";
import { columnsMissing } from "./aggregate-options.ts";
import { RowFormatter, sampleRow, windowRow } from "./window-row.ts";

/** Answers that are rows, as `query --format csv` and `export` write them. By path of the method. */
export const csvAnswers: ReadonlyMap<string, CsvOf> = new Map<string, CsvOf>([
  [
    methodPath(QueryService.method.queryRange),
    (request) => {
      const { quantiles, aggregates } = request as QueryRangeRequest;
      const leftOut = columnsMissing(aggregates);
      const formatter = new RowFormatter("csv");
      const frames = new FrameReader();
      return function* (message) {
        const { frame } = message as QueryRangeResponse;
        if (frame === undefined) return;
        for (const window of frames.read(frame)) yield* formatter.add(windowRow(window, quantiles, leftOut));
      };
    },
  ],
  [
    methodPath(QueryService.method.readSamples),
    () => {
      const formatter = new RowFormatter("csv");
      const frames = new SampleFrameReader();
      return function* (message) {
        const { frame } = message as ReadSamplesResponse;
        if (frame === undefined) return;
        for (const sample of frames.read(frame)) yield* formatter.add(sampleRow(sample));
      };
    },
  ],
]);
