import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { NamedRowsSchema, NamedService, PushNamedRequestSchema } from "../../../proto/gen/bench/v1/named_service_pb.js";
import { benchServerOfFile, plainBatch } from "../../support/bench-server.ts";
import { failureOf } from "../../support/rpc.ts";
import { type BadBody, besideOthers, expectAnswered, expectRefused } from "./support/bad-body.ts";

const running = benchServerOfFile();

const rowsMessage = (chosen: object) =>
  Buffer.from(
    toBinary(
      NamedRowsSchema,
      create(NamedRowsSchema, {
        deviceId: plainBatch().device,
        spoolId: new Uint8Array(16),
        sequence: 1n,
        rows: [{ metric: "a", timeUnixMs: 1_768_435_200_000n, value: 1 }],
        ...chosen,
      }),
    ),
  );
const columnsMessage = (chosen: object) => {
  const { device: deviceId, handle: deviceHandle } = plainBatch();
  const spoolId = new Uint8Array(16);
  const batch = { deviceHandle, sequence: 1n, tables: [{ metricHandles: [1], timeOffsetsMs: [0], values: [1] }] };
  const message = create(PushNamedRequestSchema, { deviceId, spoolId, metrics: ["a"], batch, ...chosen });
  return Buffer.from(toBinary(PushNamedRequestSchema, message));
};

const bad: readonly BadBody[] = [
  [
    "protobuf-rows",
    "no message",
    () => Buffer.from("hello"),
    "MALFORMED_BODY",
    /body cannot be read.*send a bench.v1.NamedRows/,
  ],
  ["protobuf-rows", "no rows", () => rowsMessage({ rows: [] }), "INVALID_FIELD", /rows is empty/],
  ["protobuf-rows", "no device", () => rowsMessage({ deviceId: "" }), "INVALID_FIELD", /device is empty/],
  [
    "protobuf-rows",
    "a short spool",
    () => rowsMessage({ spoolId: new Uint8Array(3) }),
    "INVALID_FIELD",
    /spool is "000000"/,
  ],
  ["protobuf-rows", "no sequence", () => rowsMessage({ sequence: 0n }), "INVALID_FIELD", /sequence is 0/],
  [
    "protobuf-rows",
    "a sequence of 64 bits",
    () => rowsMessage({ sequence: 2n ** 63n }),
    "INVALID_FIELD",
    /sequence is 9223372036854776000/,
  ],
  [
    "protobuf-rows",
    "a time of 64 bits",
    () => rowsMessage({ rows: [{ metric: "a", timeUnixMs: 2n ** 62n, value: 1 }] }),
    "INVALID_FIELD",
    /time_unix_ms is 4611686018427387904/,
  ],
  [
    "protobuf-rows",
    "a time after the year 9999",
    () => rowsMessage({ rows: [{ metric: "a", timeUnixMs: 2n ** 52n, value: 1 }] }),
    "BATCH_REFUSED_TIME_OUT_OF_RANGE",
    /9999/,
  ],
  [
    "protobuf-columns",
    "no message",
    () => Buffer.from("hello"),
    "MALFORMED_BODY",
    /body cannot be read.*send a bench.v1.PushNamedRequest/,
  ],
  ["protobuf-columns", "no batch", () => columnsMessage({ batch: undefined }), "INVALID_FIELD", /batch is missing/],
  [
    "protobuf-columns",
    "a head that is cut off",
    () => columnsMessage({}).subarray(0, -20),
    "MALFORMED_BODY",
    /body cannot be read/,
  ],
  [
    "protobuf-columns",
    "device handle 0",
    () => columnsMessage({ batch: { sequence: 1n } }),
    "INVALID_FIELD",
    /device_handle is 0/,
  ],
  [
    "protobuf-columns",
    "no sequence",
    () => columnsMessage({ batch: { deviceHandle: 77_000 } }),
    "INVALID_FIELD",
    /sequence is 0/,
  ],
  ["protobuf-columns", "no metrics", () => columnsMessage({ metrics: [] }), "INVALID_FIELD", /metrics is empty/],
  [
    "protobuf-columns",
    "a handle without a name",
    () => withTable([0x0a, 1, 2, 0x1a, 1, 0, 0x21, 0, 0, 0, 0, 0, 0, 0, 0]),
    "BATCH_REFUSED_UNKNOWN_METRIC",
    /metric handle|metric_handles/,
  ],
  [
    "protobuf-columns",
    "a table that cannot be read",
    () => withTable([0x0a, 9]),
    "BATCH_REFUSED_MALFORMED_BATCH",
    /tables\[0\] cannot be read/,
  ],
  [
    "protobuf-columns",
    "a batch that is too large",
    () =>
      columnsMessage({
        batch: { deviceHandle: plainBatch().handle, sequence: 1n, tables: [{ values: Array(200_000).fill(1) }] },
      }),
    "INVALID_FIELD",
    /batch has \d+ bytes, the limit is/,
  ],
];

/** With a table of these bytes, and one name. */
function withTable(table: readonly number[]): Buffer {
  const { device, handle } = plainBatch();
  const message = create(PushNamedRequestSchema, { deviceId: device, spoolId: new Uint8Array(16), metrics: ["a"] });
  const batch = [0x08, ...varint(handle), 0x10, 1, 0x1a, table.length, ...table];
  return Buffer.concat([toBinary(PushNamedRequestSchema, message), Buffer.from([0x22, batch.length, ...batch])]);
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}

describe("a bad body of protobuf", () => {
  it.each(bad)("%s: %s, is answered with a clear error, and others go on", async (...row) => {
    await expectRefused(running().client, row);
  });

  it.each(["protobuf-rows", "protobuf-columns"] as const)(
    "%s: of random bytes, is answered with 400",
    async (encoding) => {
      await expectAnswered(running().client, encoding);
    },
  );

  it("fails its PushNamed, and ends its StreamNamed", async () => {
    const { client } = running();
    await besideOthers(client, async () => {
      const service = client.channel.client(NamedService, "bytes");
      const failure = await failureOf(service.pushNamed(Buffer.from("hello")));
      expect([failure.status, failure.reason]).toEqual(["INVALID_ARGUMENT", "MALFORMED_BODY"]);
      const stream = service.streamNamed();
      await stream.write(columnsMessage({ batch: undefined }));
      expect((await failureOf(stream.responses)).message).toBe("batch is missing; send one");
    });
  });
});
