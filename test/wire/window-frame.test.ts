import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { appendWindow, createWindowTable, type WindowTable } from "../../lib/aggregate/window-table.ts";
import * as limits from "../../lib/base/limits.ts";
import type { SeriesRow } from "../../lib/store/store.ts";
import { FrameReader, type Window } from "../../lib/wire/window-frame.ts";
import { MetricKind } from "../../proto/gen/telemetry/v1/metric_pb.js";
import {
  QueryRangeResponseSchema,
  type WindowFrame,
  WindowFrameSchema,
} from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { anySample, type PlainWindow, type Sample, tableWindows, windowSet } from "../aggregate/plain-windows.ts";
import { encodeFrame } from "./plain-frame.ts";

const widthMs = 10_000;

function seriesRow(id: number, over: Partial<SeriesRow> = {}): SeriesRow {
  return {
    id,
    device: 1,
    deviceId: `device ${id}`,
    name: `metric ${id}`,
    labels: {},
    kind: "gauge",
    unit: "Cel",
    description: "",
    ...over,
  };
}

function tableOf(samples: readonly Sample[]): WindowTable {
  return windowSet([widthMs], samples).tiers[0].table;
}

/** Over the wire and back. */
function sent(...frame: Parameters<typeof encodeFrame>): WindowFrame {
  return fromBinary(WindowFrameSchema, toBinary(WindowFrameSchema, create(WindowFrameSchema, encodeFrame(...frame))));
}

function shown({ series, startMs, firstTimeMs: _, lastTimeMs: __, ...values }: PlainWindow): Partial<Window> {
  return { deviceId: `device ${series}`, metric: `metric ${series}`, tierMs: widthMs, startMs, ...values };
}

describe("encodeFrame and FrameReader", () => {
  it("carry windows over the wire", () => {
    const seriesMax = 5;
    const rows = Array.from({ length: seriesMax }, (_, i) => seriesRow(i + 1));
    // A frame's offsets are 32 bits: at 10 s they reach over 1,361 years.
    const century = anySample({ seriesMax, value: fc.double({ noNaN: true, noDefaultInfinity: true }) }).map(
      (sample): Sample => ({ ...sample, timeMs: sample.timeMs % 3_155_760_000_000 }),
    );
    fc.assert(
      fc.property(fc.array(century), fc.maxSafeNat(), (samples, revision) => {
        const table = tableOf(samples);
        const frame = sent(widthMs, revision, rows, table);
        expect([...new FrameReader().read(frame)]).toMatchObject(tableWindows(table).map(shown));
        expect(frame.revision).toBe(BigInt(revision));
      }),
    );
  });

  it("carry the times of first and last, counted from the window's start", () => {
    const table = tableOf([
      { series: 1, timeMs: -9_999, value: 1 },
      { series: 1, timeMs: -1, value: 2 },
      { series: 1, timeMs: 10_500, value: 3 },
    ]);
    const frame = sent(widthMs, 1, [seriesRow(1)], table);
    expect(frame.firstOffsetsMs).toEqual([1, 500]);
    expect(frame.lastOffsetsMs).toEqual([9_999, 500]);
    expect(frame.windowStartsUnixMs).toEqual([-10_000, 10_000]);
  });

  it("carry what a series is", () => {
    const row = seriesRow(7, { kind: "counter", unit: "By", description: "bytes out" });
    const metric = {
      deviceId: "device 7",
      name: "metric 7",
      kind: MetricKind.COUNTER,
      unit: "By",
      description: "bytes out",
    };
    expect(sent(widthMs, 1, [row], createWindowTable()).series).toMatchObject([{ handle: 7, metric }]);
  });

  it("carry a frame without windows", () => {
    const frame = sent(widthMs, 3, [], createWindowTable());
    expect([...new FrameReader().read(frame)]).toEqual([]);
    expect(frame.tier).toMatchObject({ seconds: 10n, nanos: 0 });
  });
});

describe("encodeFrame", () => {
  it("leaves out what lies behind the table's length", () => {
    const table = tableOf([1, 20_000].map((timeMs) => ({ series: 1, timeMs, value: timeMs })));
    table.length = 1;
    const frame = sent(widthMs, 1, [seriesRow(1)], table);
    expect(frame).toMatchObject({ seriesHandles: [1], counts: [1], sums: [1], lastOffsetsMs: [1] });
  });

  it("makes of the most windows of the longest names a message that any gRPC client takes", () => {
    const table = createWindowTable();
    const rows: SeriesRow[] = [];
    for (let id = 1; id <= limits.frameWindowsMax; id += 1) {
      const at = appendWindow(table, 0xfff_ffff - id, 0);
      table.firstTimesMs[at] = table.lastTimesMs[at] = widthMs - 1;
      const [deviceId, name, unit, description] = [
        limits.deviceIdBytesMax,
        limits.metricNameBytesMax,
        limits.metricUnitBytesMax,
        limits.metricDescriptionBytesMax,
      ].map((bytes) => "x".repeat(bytes));
      rows.push(seriesRow(0xfff_ffff - id, { deviceId, name, unit, description }));
    }
    const response = create(QueryRangeResponseSchema, { frame: encodeFrame(widthMs, 1, rows, table) });
    expect(toBinary(QueryRangeResponseSchema, response).length).toBeLessThanOrEqual(limits.messageBytesMax);
  });
});

describe("FrameReader", () => {
  it("remembers the series that earlier frames of the call have named", () => {
    const table = tableOf([{ series: 1, timeMs: 0, value: 1 }]);
    const reader = new FrameReader();
    const first = [...reader.read(sent(widthMs, 1, [seriesRow(1)], table))];
    expect(first).toHaveLength(1);
    expect([...reader.read(sent(widthMs, 2, [], table))]).toEqual(first);
  });

  it("refuses a window of a series that the server has not named", () => {
    const frame = sent(widthMs, 1, [seriesRow(1)], tableOf([{ series: 2, timeMs: 0, value: 1 }]));
    expect(() => [...new FrameReader().read(frame)]).toThrow("the server has not named series 2");
  });
});
