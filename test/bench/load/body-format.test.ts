import { describe, expect, it } from "vitest";
import { type Cell, cellOf, encodings } from "../../../bench/cell.ts";
import { bodyFormatOf } from "../../../bench/load/body-format.ts";
import { type Device, devicesOf } from "../../../bench/load/device.ts";
import { BatchWriter } from "../../../bench/load/message-source.ts";
import type { Table } from "../../../lib/wire/batch-encoder.ts";
import { decode } from "./support/decode.ts";

const [device] = devicesOf({ prefix: "bench-", count: 1, metrics: 3, seed: 1, handlesTaken: 300 }) as [Device];
const baseTimeMs = Date.UTC(2026, 0, 15);

/** Times that need a byte and times that need more, and a zero, which protobuf leaves out. */
const table: Table = {
  metricHandles: [2, 3],
  baseTimeMs,
  offsetsMs: [0, 1, 9_999],
  values: Float64Array.of(1, 2, 3, 0, 127, 9_999),
};
const samples = [
  { metric: "metric-2", timeMs: baseTimeMs, value: 1 },
  { metric: "metric-3", timeMs: baseTimeMs, value: 0 },
  { metric: "metric-2", timeMs: baseTimeMs + 1, value: 2 },
  { metric: "metric-3", timeMs: baseTimeMs + 1, value: 127 },
  { metric: "metric-2", timeMs: baseTimeMs + 9_999, value: 3 },
  { metric: "metric-3", timeMs: baseTimeMs + 9_999, value: 9_999 },
];

function written(cell: Pick<Cell, "way" | "encoding">, sequence: number, of = device) {
  const format = bodyFormatOf(cell);
  return decode(cell, new BatchWriter(format).write(of, sequence, format.tail(table)).bytes);
}

describe("a body", () => {
  it.each(encodings)("has as %s the same samples as in any other, with the names of device and spool", (encoding) => {
    const spool = Buffer.from(device.spoolId).toString("hex");
    for (const sequence of [1, 127, 128, 2 ** 40]) {
      const read = written(cellOf({ way: "http1", encoding }), sequence);
      expect(read).toMatchObject({ device: "bench-00001", spool, sequence, samples });
    }
  });

  it.each(["grpc-push", "grpc-upload", "grpc-stream"] as const)("has by %s the handle that is registered", (way) => {
    expect(written(cellOf({ way }), 300)).toMatchObject({ handle: 301, sequence: 300, samples });
  });

  it("has as named protobuf columns the handle of its device, and one name for each handle in every batch", () => {
    const cell = cellOf({ way: "grpc-named-unary" });
    expect(written(cell, 1)).toMatchObject({ handle: 301, samples });
    const [other] = devicesOf({ prefix: "bench-", count: 1, metrics: 3, seed: 1 }) as [Device];
    expect(written(cell, 1, other)).toMatchObject({ handle: 1, samples });
  });
});
