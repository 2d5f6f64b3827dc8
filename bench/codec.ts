import { fromBinary } from "@bufbuild/protobuf";
import { BatchDecoder } from "../lib/wire/batch-decoder.ts";
import { encodeBatch } from "../lib/wire/batch-encoder.ts";
import { BatchSchema } from "../proto/gen/telemetry/v1/batch_pb.js";
import { compare, printMachine } from "./measure.ts";

/** Decoding one batch of 10 metrics: ours against generic protobuf-es and JSON columns. `node bench/codec.ts` */

printMachine();
const decoder = new BatchDecoder();
for (const times of [1, 10, 100]) {
  const metricHandles = Array.from({ length: 10 }, (_, i) => i + 1);
  const offsetsMs = Array.from({ length: times }, (_, i) => i * 1_000);
  const values = Float64Array.from({ length: 10 * times }, (_, i) => i * 1.1);
  const baseTimeMs = 1_790_000_000_000;
  const bytes = encodeBatch(7, 12_345, [{ metricHandles, baseTimeMs, offsetsMs, values }]);
  const json = JSON.stringify({ metricHandles, baseTimeMs, offsetsMs, values: [...values] });
  console.log(`\n${10 * times} samples: ${bytes.length} bytes, as JSON columns ${json.length}`);
  compare({
    BatchDecoder: { run: () => decoder.decode(bytes, 0, bytes.length), units: 10 * times },
    fromBinary: { run: () => fromBinary(BatchSchema, bytes), units: 10 * times },
    "JSON.parse": { run: () => JSON.parse(json), units: 10 * times },
  });
}
