import { create, fromBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, it } from "vitest";
import type { SeriesRow } from "../../lib/store/store.ts";
import { encodeSamples, SampleFrameReader } from "../../lib/wire/sample-frame.ts";
import { encodeMetric } from "../../lib/wire/window-frame.ts";
import { SampleFrameSchema } from "../../proto/gen/telemetry/v1/query_service_pb.js";

const series = (id: number): SeriesRow => ({
  id,
  device: 1,
  deviceId: `device ${id}`,
  name: "energy",
  labels: {},
  kind: "gauge",
  unit: "J",
  description: "",
});

const anySamples = fc.array(
  fc.record({
    series: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 2 ** 31 - 1 })),
    timeMs: fc.maxSafeInteger(),
    value: fc.double({ noNaN: true, noDefaultInfinity: true }),
  }),
);

it("samples are encoded as generic encoding would, and read back by it", () => {
  fc.assert(
    fc.property(anySamples, (samples) => {
      const rows = [...new Set(samples.map((sample) => sample.series))].map(series);
      const frame = encodeSamples({
        series: rows,
        seriesIds: Int32Array.from(samples, (sample) => sample.series),
        timesMs: Float64Array.from(samples, ({ timeMs }) => timeMs),
        values: Float64Array.from(samples, ({ value }) => value),
      });
      const read = fromBinary(SampleFrameSchema, frame);
      const generic = create(SampleFrameSchema, {
        series: rows.map((row) => ({ handle: row.id, metric: encodeMetric(row) })),
        seriesHandles: samples.map((sample) => sample.series),
        timesUnixMs: samples.map(({ timeMs }) => timeMs),
        values: samples.map(({ value }) => value),
      });
      expect(read).toEqual(generic);
      expect([...new SampleFrameReader().read(read)]).toEqual(
        samples.map((sample) => ({
          deviceId: `device ${sample.series}`,
          metric: "energy",
          timeMs: sample.timeMs,
          value: sample.value,
        })),
      );
    }),
  );
});

it("a frame of a series that was not named is refused", () => {
  const frame = create(SampleFrameSchema, { seriesHandles: [7], timesUnixMs: [0], values: [0] });
  expect(() => [...new SampleFrameReader().read(frame)]).toThrow("the server has not named series 7");
});
