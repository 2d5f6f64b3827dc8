import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { appendWindow, createWindowTable } from "../../lib/aggregate/window-table.ts";
import { Prng } from "../../lib/base/prng.ts";
import { encodeFrame } from "../../lib/wire/frame-encoder.ts";
import { WindowFrameSchema } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { compareTimes, printMachine } from "../measure.ts";

/** What it takes to encode a frame, per window: from columns, and as a message of lists that is there already. */
const prng = new Prng(1, "frame");
printMachine();
for (const length of [10, 100, 1_000]) {
  const windows = createWindowTable(length);
  for (let i = 0; i < length; i += 1) {
    const at = appendWindow(windows, 1 + (i % 10), Date.UTC(2026, 0, 15) + 10_000 * Math.floor(i / 10));
    for (const name of ["sums", "m2s", "mins", "maxs", "firsts", "lasts"] as const) windows[name][at] = prng.normal();
    windows.counts[at] = 10;
    windows.firstTimesMs[at] = windows.starts[at];
    windows.lastTimesMs[at] = windows.starts[at] + 9_000;
  }
  const head = { widthMs: 10_000, revision: 123_456, series: [] };
  const message = fromBinary(WindowFrameSchema, encodeFrame(head, windows));
  console.log(`frames of ${length} windows`);
  compareTimes({
    "as a message": { run: () => toBinary(WindowFrameSchema, message), units: length },
    "from columns": { run: () => encodeFrame(head, windows), units: length },
  });
}
