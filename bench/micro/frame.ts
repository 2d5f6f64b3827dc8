import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { appendWindow, createWindowTable, type WindowTable } from "../../lib/aggregate/window-table.ts";
import { Prng } from "../../lib/base/prng.ts";
import { encodeFrame } from "../../lib/wire/frame-encoder.ts";
import { WindowFrameSchema } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import type { MicroSuite } from "./suite.ts";

/** What it takes to encode a frame, per window: from columns, and as a message of lists that is there already. */
export function* frameSuites(): Iterable<MicroSuite> {
  const prng = new Prng(1, "frame");
  for (const units of [10, 100, 1_000]) {
    const windows = windowsOf(units, prng);
    const head = { widthMs: 10_000, revision: 123_456, series: [] };
    const message = fromBinary(WindowFrameSchema, encodeFrame(head, windows));
    yield {
      name: `encode a frame of ${units} windows`,
      unit: "window",
      arms: {
        "as a message": { run: () => toBinary(WindowFrameSchema, message), units },
        "from columns": { run: () => encodeFrame(head, windows), units },
      },
    };
  }
}

function windowsOf(length: number, prng: Prng): WindowTable {
  const windows = createWindowTable(length);
  for (let i = 0; i < length; i += 1) {
    const at = appendWindow(windows, 1 + (i % 10), Date.UTC(2026, 0, 15) + 10_000 * Math.floor(i / 10));
    for (const name of ["sums", "m2s", "mins", "maxs", "firsts", "lasts"] as const) windows[name][at] = prng.normal();
    windows.counts[at] = 10;
    windows.firstTimesMs[at] = windows.starts[at];
    windows.lastTimesMs[at] = windows.starts[at] + 9_000;
  }
  return windows;
}
