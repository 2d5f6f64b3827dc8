import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SeriesRow } from "../../lib/store/store.ts";
import { encodeFrame } from "../../lib/wire/frame-encoder.ts";
import { quantilesOf } from "../../lib/wire/window-frame.ts";
import { Aggregate, WindowFrameSchema } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { anySample, windowSet } from "../aggregate/plain-windows.ts";
import { encodeFrame as encodeGeneric } from "./plain-frame.ts";

const widthMs = 10_000;

const series: SeriesRow[] = [1, 2, 3].map((id) => ({
  id,
  device: 1,
  deviceId: `device ${id}`,
  name: "energy",
  labels: {},
  kind: id === 3 ? "counter" : "gauge",
  unit: "J",
  description: "",
}));

const anyTable = fc.array(anySample({ seriesMax: 3 })).map((samples) => windowSet([widthMs], samples).tiers[0].table);

describe("encodeFrame", () => {
  it("gives what generic encoding gives", () => {
    fc.assert(
      fc.property(anyTable, fc.maxSafeNat(), (table, revision) => {
        const quantileValues = quantilesOf(table, [0.5, 0.99]);
        const bytes = encodeFrame({ widthMs, revision, series }, table, undefined, quantileValues);
        const generic = create(WindowFrameSchema, encodeGeneric(widthMs, revision, series, table, quantileValues));
        // The message and the length, not the bytes: a NaN may have either sign.
        expect(fromBinary(WindowFrameSchema, bytes)).toEqual(generic);
        expect(bytes.length).toBe(toBinary(WindowFrameSchema, generic).length);
      }),
    );
  });

  it("fills the columns that were chosen, and no others", () => {
    const table = windowSet([widthMs], [{ series: 1, timeMs: 5, value: 2 }]).tiers[0].table;
    const head = { widthMs, revision: 1, series };
    const f = (columns: Aggregate[], want: string[]) => {
      const frame = fromBinary(WindowFrameSchema, encodeFrame(head, table, new Set(columns)));
      const always = ["seriesHandles", "windowStartsUnixMs", "states", "series"];
      const filled = Object.entries(frame).filter(([, value]) => Array.isArray(value) && value.length > 0);
      expect(filled.map(([name]) => name).sort()).toEqual([...always, ...want].sort());
    };
    f([Aggregate.COUNT], ["counts"]);
    f([Aggregate.SUM, Aggregate.MIN], ["sums", "mins"]);
    f([Aggregate.MAX, Aggregate.FIRST], ["maxs", "firsts", "firstOffsetsMs"]);
    f([Aggregate.LAST], ["lasts", "lastOffsetsMs"]);
    f([Aggregate.DEVIATION], ["deviations"]);
    f([Aggregate.INCREASE], ["increases", "increaseDurationsMs", "increasesApproximate"]);
  });
});
