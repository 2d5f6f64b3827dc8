import { once } from "node:events";
import { connect } from "node:http2";
import { createConnection } from "node:net";
import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { type Encoding, encodings } from "../../../bench/cell.ts";
import { batchSamplesMax, messageBytesMax, metricsPerRegistrationMax } from "../../../lib/base/limits.ts";
import { NamedRowsSchema, NamedService, PushNamedRequestSchema } from "../../../proto/gen/bench/v1/named_service_pb.js";
import {
  ackedBy,
  type BenchClient,
  benchServerOfFile,
  bodyOf,
  complaintOf,
  expectedOf,
  plainBatch,
  typeOf,
} from "../../support/bench-server.ts";
import { failureOf } from "../../support/rpc.ts";

const running = benchServerOfFile();

/** Somebody who sends before, meanwhile and afterwards, and must not notice. */
async function besideOthers(run: (client: BenchClient) => Promise<void>): Promise<void> {
  const { client } = running();
  const witness = plainBatch();
  const batches = [1, 2, 3].map((sequence) => ({ ...witness, sequence }));
  const send = async (batch: typeof witness) => {
    const reply = await client.http1(bodyOf["json-columns"](batch), { headers: typeOf("json-columns") });
    expect(ackedBy(reply)).toBe(batch.sequence);
  };
  await send(batches[0]);
  await Promise.all([run(client), send(batches[1])]);
  await send(batches[2]);
  expect(await client.aggregates(witness.device)).toEqual(expectedOf(...batches));
}

const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const head = () => ({ device: plainBatch().device, spool: "0".repeat(32), sequence: 1 });
const sample = { metric: "metric-1", time: 1_768_435_200_000, value: 1 };
const columns = { metrics: ["a", "b"], baseTimeMs: 1_768_435_200_000, offsetsMs: [0, 1], values: [1, 2, 3, 4] };
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

const bad: readonly (readonly [Encoding, string, () => Buffer, string, RegExp])[] = [
  ["json-rows", "nothing", () => Buffer.alloc(0), "MALFORMED_BODY", /body is not JSON/],
  ["json-rows", "half an object", () => Buffer.from('{"device":'), "MALFORMED_BODY", /body is not JSON/],
  ["json-rows", "null", () => json(null), "INVALID_FIELD", /body is null; send one object/],
  ["json-rows", "a list", () => json([]), "INVALID_FIELD", /device is missing/],
  ["json-rows", "no device", () => json({ ...head(), device: 7 }), "INVALID_FIELD", /device is 7/],
  [
    "json-rows",
    "an empty device",
    () => json({ ...head(), device: "", samples: [sample] }),
    "INVALID_FIELD",
    /device is empty/,
  ],
  [
    "json-rows",
    "a long device",
    () => json({ ...head(), device: "x".repeat(257), samples: [sample] }),
    "INVALID_FIELD",
    /257 bytes.*limit is 256/,
  ],
  [
    "json-rows",
    "a short spool",
    () => json({ ...head(), spool: "00", samples: [sample] }),
    "INVALID_FIELD",
    /spool is "00"; send 16 bytes/,
  ],
  [
    "json-rows",
    "sequence 0",
    () => json({ ...head(), sequence: 0, samples: [sample] }),
    "INVALID_FIELD",
    /sequence is 0/,
  ],
  [
    "json-rows",
    "half a sequence",
    () => json({ ...head(), sequence: 1.5, samples: [sample] }),
    "INVALID_FIELD",
    /sequence is 1.5/,
  ],
  ["json-rows", "no samples", () => json({ ...head(), samples: [] }), "INVALID_FIELD", /samples is \[\]/],
  [
    "json-rows",
    "samples that are no list",
    () => json({ ...head(), samples: { length: 3 } }),
    "INVALID_FIELD",
    /samples is/,
  ],
  [
    "json-rows",
    "a sample that is null",
    () => json({ ...head(), samples: [sample, null] }),
    "INVALID_FIELD",
    /samples\[1\] is null/,
  ],
  [
    "json-rows",
    "a metric that is no name",
    () => json({ ...head(), samples: [{ ...sample, metric: 1 }] }),
    "INVALID_FIELD",
    /samples\[0\].metric is 1/,
  ],
  [
    "json-rows",
    "a metric of control characters",
    () => json({ ...head(), samples: [{ ...sample, metric: "\n" }] }),
    "INVALID_FIELD",
    /metric is "\\n"/,
  ],
  [
    "json-rows",
    "a time that is a text",
    () => json({ ...head(), samples: [{ ...sample, time: "now" }] }),
    "INVALID_FIELD",
    /samples\[0\].time is "now"/,
  ],
  [
    "json-rows",
    "a value that is missing",
    () => json({ ...head(), samples: [{ ...sample, value: undefined }] }),
    "INVALID_FIELD",
    /samples\[0\].value is missing/,
  ],
  [
    "json-rows",
    "times too far apart",
    () => json({ ...head(), samples: [sample, { ...sample, time: 0 }] }),
    "INVALID_FIELD",
    /samples of one metric are \d+ ms apart/,
  ],
  [
    "json-rows",
    "an infinite value",
    () =>
      Buffer.from(
        json({ ...head(), samples: [sample] })
          .toString()
          .replace('"value":1', '"value":1e999'),
      ),
    "BATCH_REFUSED_INFINITE_VALUE",
    /infinite|Infinity/i,
  ],
  [
    "json-columns",
    "no metrics",
    () => json({ ...head(), ...columns, metrics: "a" }),
    "INVALID_FIELD",
    /metrics is "a"/,
  ],
  [
    "json-columns",
    "a metric that is no name",
    () => json({ ...head(), ...columns, metrics: ["a", 2] }),
    "INVALID_FIELD",
    /metrics is/,
  ],
  [
    "json-columns",
    "the same metric twice",
    () => json({ ...head(), ...columns, metrics: ["a", "a"] }),
    "BATCH_REFUSED_UNKNOWN_METRIC",
    /twice/,
  ],
  [
    "json-columns",
    "no base time",
    () => json({ ...head(), ...columns, baseTimeMs: null }),
    "INVALID_FIELD",
    /baseTimeMs is null/,
  ],
  [
    "json-columns",
    "a negative offset",
    () => json({ ...head(), ...columns, offsetsMs: [0, -1] }),
    "INVALID_FIELD",
    /offsetsMs is/,
  ],
  [
    "json-columns",
    "a value that is null",
    () => json({ ...head(), ...columns, values: [1, null, 3, 4] }),
    "INVALID_FIELD",
    /values is/,
  ],
  [
    "json-columns",
    "values that do not fit",
    () => json({ ...head(), ...columns, values: [1] }),
    "INVALID_FIELD",
    /values has 1 entries for 2 metrics x 2 times/,
  ],
  [
    "json-columns",
    "nothing in them",
    () => json({ ...head(), metrics: [], baseTimeMs: 0, offsetsMs: [], values: [] }),
    "INVALID_FIELD",
    /values has 0 entries/,
  ],
  [
    "json-columns",
    "more samples than a batch has",
    () =>
      json({
        ...head(),
        ...columns,
        metrics: ["a"],
        offsetsMs: Array(batchSamplesMax + 1).fill(0),
        values: Array(batchSamplesMax + 1).fill(1),
      }),
    "BATCH_REFUSED_BATCH_TOO_LARGE",
    /has more entries, the limit is 100000/,
  ],
  [
    "json-columns",
    "more bytes than a batch has",
    () =>
      json({
        ...head(),
        ...columns,
        metrics: ["a"],
        offsetsMs: Array(200_000).fill(0),
        values: Array(200_000).fill(1),
      }),
    "INVALID_FIELD",
    /batch has \d+ bytes, the limit is/,
  ],
  [
    "json-columns",
    "too many new metrics",
    () =>
      json({
        ...head(),
        ...columns,
        metrics: Array.from({ length: metricsPerRegistrationMax + 1 }, (_, i) => `m${i}`),
        offsetsMs: [0],
        values: Array(metricsPerRegistrationMax + 1).fill(1),
      }),
    "INVALID_FIELD",
    /metrics has 3001 new names, the limit is 3000/,
  ],
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

describe("a bad body", () => {
  it.each(bad)(
    "%s: %s, is answered with a clear error, and others go on",
    async (encoding, _, bodyFor, reason, message) => {
      await besideOthers(async (client) => {
        for (const way of ["http1", "http2"] as const) {
          const reply = await client[way](bodyFor(), { headers: typeOf(encoding) });
          expect(reply.status).toBe(400);
          expect(complaintOf(reply).reason).toBe(reason);
          expect(complaintOf(reply).message).toMatch(message);
        }
      });
    },
  );

  it.each(encodings)("%s: of random bytes, is answered with 400", async (encoding) => {
    await besideOthers(async (client) => {
      for (let seed = 1; seed <= 50; seed += 1) {
        const body = Buffer.from(bodyOf[encoding](plainBatch()));
        for (let i = 0; i < 4; i += 1) body[(seed * 7_919 + i * 104_729) % body.length] ^= 1 + ((seed + i) % 255);
        const { status } = await client.http1(body, { headers: typeOf(encoding) });
        // What was changed may still be a batch.
        expect([200, 400, 409]).toContain(status);
      }
    });
  });

  it("fails its PushNamed, and ends its StreamNamed", async () => {
    await besideOthers(async (client) => {
      const service = client.channel.client(NamedService, "bytes");
      const failure = await failureOf(service.pushNamed(Buffer.from("hello")));
      expect([failure.status, failure.reason]).toEqual(["INVALID_ARGUMENT", "MALFORMED_BODY"]);
      const stream = service.streamNamed();
      await stream.write(columnsMessage({ batch: undefined }));
      expect((await failureOf(stream.responses)).message).toBe("batch is missing; send one");
    });
  });
});

describe.each(["http1", "http2"] as const)("by %s", (way) => {
  const headers = typeOf("json-rows");

  it("a body that is too large is refused with 413", async () => {
    await besideOthers(async (client) => {
      const reply = await client[way](Buffer.alloc(messageBytesMax + 1, " "), { headers });
      expect([reply.status, complaintOf(reply).reason]).toEqual([413, "BODY_TOO_LARGE"]);
      expect(complaintOf(reply).message).toBe("body has more than 4194304 bytes; send smaller batches");
    });
  });

  it("a body as large as is allowed is read", async () => {
    const batch = plainBatch();
    const body = Buffer.alloc(messageBytesMax, " ");
    body.set(bodyOf["json-rows"](batch));
    expect((await running().client[way](body, { headers })).status).toBe(200);
  });

  it("a gzip bomb is refused with 413, and not unpacked", async () => {
    await besideOthers(async (client) => {
      const bomb = gzipSync(Buffer.alloc(256 * 1024 * 1024));
      expect(bomb.length).toBeLessThan(messageBytesMax);
      const reply = await client[way](bomb, { headers: { ...headers, "content-encoding": "gzip" } });
      expect([reply.status, complaintOf(reply).reason]).toEqual([413, "BODY_TOO_LARGE"]);
    });
  });

  it.each([
    ["gzip that is none", { "content-encoding": "gzip" }, 400, "MALFORMED_BODY"],
    ["another encoding", { "content-encoding": "br" }, 415, "UNSUPPORTED_ENCODING"],
    ["another type", { "content-type": "application/json" }, 415, "UNSUPPORTED_TYPE"],
  ])("%s is refused", async (_, wrong, status, reason) => {
    await besideOthers(async (client) => {
      const reply = await client[way](bodyOf["json-rows"](plainBatch()), { headers: { ...headers, ...wrong } });
      expect([reply.status, complaintOf(reply).reason]).toEqual([status, reason]);
    });
  });

  it.each([
    ["GET", "/batches", 405, "METHOD_NOT_ALLOWED"],
    ["PUT", "/batches", 405, "METHOD_NOT_ALLOWED"],
    ["POST", "/", 404, "UNKNOWN_PATH"],
    ["POST", "/batches/1", 404, "UNKNOWN_PATH"],
  ])("%s %s is not there", async (method, path, status, reason) => {
    await besideOthers(async (client) => {
      const reply = await client[way](Buffer.alloc(0), { method, path, headers });
      expect([reply.status, complaintOf(reply).reason]).toEqual([status, reason]);
    });
  });
});

describe("a client that goes", () => {
  it("in the middle of an HTTP/1.1 body, takes nobody with it", async () => {
    await besideOthers(async () => {
      const [host, port] = running().server.ready.http1.split(":");
      const socket = createConnection(Number(port), host);
      const type = "application/vnd.tidemark.json-rows";
      socket.write(`POST /batches HTTP/1.1\r\nhost: x\r\ncontent-type: ${type}\r\ncontent-length: 100\r\n\r\n{"dev`);
      await once(socket, "connect");
      socket.destroy();
      await once(socket, "close");
    });
  });

  it("in the middle of an HTTP/2 body, or before its answer, takes nobody with it", async () => {
    await besideOthers(async () => {
      const session = connect(`http://${running().server.ready.http2}`);
      const open = () =>
        session.request({ ":method": "POST", ":path": "/batches", ...typeOf("json-rows") }, { endStream: false });
      const half = open();
      half.write('{"dev');
      const whole = open();
      whole.end(bodyOf["json-rows"](plainBatch()));
      await once(session, "connect");
      session.destroy();
      await once(session, "close");
    });
  });

  it("with bytes that are not HTTP, takes nobody with it", async () => {
    await besideOthers(async () => {
      for (const address of [running().server.ready.http1, running().server.ready.http2]) {
        const [host, port] = address.split(":");
        const socket = createConnection(Number(port), host);
        socket.on("error", () => {});
        socket.end("\u0000\u0001 hello\r\n\r\n");
        socket.resume();
        await once(socket, "close");
      }
    });
  });
});
