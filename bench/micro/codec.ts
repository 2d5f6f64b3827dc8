import { fromBinary } from "@bufbuild/protobuf";
import { BatchDecoder } from "../../lib/wire/batch-decoder.ts";
import { encodeBatch } from "../../lib/wire/batch-encoder.ts";
import { BatchSchema } from "../../proto/gen/telemetry/v1/batch_pb.js";
import type { MicroSuite } from "./suite.ts";

/** Decoding one batch of 10 metrics: ours against generic protobuf-es and JSON columns. */
export function* codecSuites(): Iterable<MicroSuite> {
  const decoder = new BatchDecoder();
  for (const times of [1, 10, 100]) {
    const units = 10 * times;
    const metricHandles = Array.from({ length: 10 }, (_, i) => i + 1);
    const offsetsMs = Array.from({ length: times }, (_, i) => i * 1_000);
    const values = Float64Array.from({ length: units }, (_, i) => i * 1.1);
    const baseTimeMs = 1_790_000_000_000;
    const bytes = encodeBatch(7, 12_345, [{ metricHandles, baseTimeMs, offsetsMs, values }]);
    const json = JSON.stringify({ metricHandles, baseTimeMs, offsetsMs, values: [...values] });
    yield {
      name: `decode ${units} samples (${bytes.length} bytes, as JSON columns ${json.length})`,
      unit: "sample",
      arms: {
        BatchDecoder: { run: () => decoder.decode(bytes, 0, bytes.length), units },
        fromBinary: { run: () => fromBinary(BatchSchema, bytes), units },
        "JSON.parse": { run: () => JSON.parse(json), units },
      },
    };
  }
}
