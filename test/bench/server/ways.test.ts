import { gzipSync } from "node:zlib";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { encodings } from "../../../bench/cell.ts";
import { NamedService, PushNamedRequestSchema } from "../../../proto/gen/bench/v1/named_service_pb.js";
import {
  ackedBy,
  benchServerOfFile,
  bodyOf,
  expectedOf,
  type PlainBatch,
  plainBatch,
  typeOf,
} from "../../support/bench-server.ts";

const settings = [
  { name: "in the clear", tls: false, gzip: false },
  { name: "over TLS", tls: true, gzip: false },
  { name: "compressed", tls: false, gzip: true },
];

describe.each(settings)("batches with names, $name", ({ tls, gzip }) => {
  const running = benchServerOfFile({ tls }, gzip);

  const cases = (["http1", "http2"] as const).flatMap((way) => encodings.map((encoding) => [way, encoding] as const));

  it.each(cases)("come in by %s as %s, are acked, and are counted once", async (way, encoding) => {
    const { client } = running();
    const send = async (batch: PlainBatch) => {
      const body = bodyOf[encoding](batch);
      const headers = { ...typeOf(encoding), ...(gzip && { "content-encoding": "gzip" }) };
      const reply = await client[way](gzip ? gzipSync(body) : body, { headers });
      expect(reply.status, String(reply.body)).toBe(200);
      return ackedBy(reply);
    };
    const first = plainBatch();
    const second = { ...first, sequence: 2, values: first.values.map((value) => value + 0.5) };
    expect(await send(first)).toBe(1);
    expect(await send(second)).toBe(2);
    // What was sent again is acked again.
    expect(await send(second)).toBe(2);
    expect(await send(first)).toBe(2);
    expect(await client.aggregates(first.device)).toEqual(expectedOf(first, second));
  });

  it("come in by PushNamed, are acked, and are counted once", async () => {
    const { client } = running();
    const service = client.channel.client(NamedService, "bytes");
    const first = plainBatch();
    const second = { ...first, sequence: 2 };
    for (const [batch, acked] of [
      [first, 1n],
      [second, 2n],
      [first, 2n],
    ] as const) {
      expect((await service.pushNamed(bodyOf["protobuf-columns"](batch))).ackedSequence).toBe(acked);
    }
    expect(await client.aggregates(first.device)).toEqual(expectedOf(first, second));
  });

  it("come in by StreamNamed, are acked each, and are counted once", async () => {
    const { client } = running();
    const stream = client.channel.client(NamedService, "bytes").streamNamed();
    const first = plainBatch();
    const other = plainBatch();
    const batches = [first, other, ...[2, 3, 4].map((sequence) => ({ ...first, sequence }))];
    for (const batch of batches) await stream.write(bodyOf["protobuf-columns"](batch));
    await stream.write(bodyOf["protobuf-columns"](first));
    stream.end();
    const acked = new Map<number, bigint[]>();
    for await (const { deviceHandle, ackedSequence } of stream.responses) {
      acked.set(deviceHandle, [...(acked.get(deviceHandle) ?? []), ackedSequence]);
    }
    expect(acked.get(other.handle)).toEqual([1n]);
    expect(acked.get(first.handle)).toHaveLength(5);
    expect(acked.get(first.handle)?.at(-1)).toBe(4n);
    expect(await client.aggregates(first.device)).toEqual(expectedOf(...batches.filter((batch) => batch !== other)));
    expect(await client.aggregates(other.device)).toEqual(expectedOf(other));
  });
});

describe("batches with names", () => {
  const running = benchServerOfFile();

  it("come from many devices at once", async () => {
    const { client } = running();
    const batches = Array.from({ length: 60 }, () => plainBatch());
    const replies = await Promise.all(
      batches.map((batch, i) => {
        const encoding = encodings[i % encodings.length];
        const body = bodyOf[encoding](batch);
        return client[i % 2 === 0 ? "http1" : "http2"](body, { headers: typeOf(encoding) });
      }),
    );
    expect(replies.map(({ status }) => status)).toEqual(batches.map(() => 200));
    for (const batch of batches) expect(await client.aggregates(batch.device)).toEqual(expectedOf(batch));
  });

  it("may bring further metrics, and times that differ from metric to metric", async () => {
    const { client } = running();
    const headers = typeOf("json-rows");
    const { device, spool } = plainBatch();
    const { timesMs } = plainBatch();
    const sample = (metric: string, t: number, value: number) => ({ metric, time: timesMs[t], value });
    const rows = [
      [sample("a", 0, 1), sample("b", 0, 2), sample("a", 1, 3)],
      [sample("c", 0, 5), sample("a", 2, 7), sample("b", 1, 11), sample("c", 1, 13), sample("b", 2, 17)],
    ];
    for (const [i, samples] of rows.entries()) {
      const reply = await client.http1(Buffer.from(JSON.stringify({ device, spool, sequence: i + 1, samples })), {
        headers,
      });
      expect(ackedBy(reply)).toBe(i + 1);
    }
    expect(await client.aggregates(device)).toEqual({
      a: { count: 3, sum: 11 },
      b: { count: 3, sum: 30 },
      c: { count: 2, sum: 18 },
    });
  });

  it("takes a message of generated code whose fields come in another order", async () => {
    const { client } = running();
    const batch = plainBatch();
    const whole = fromBinary(PushNamedRequestSchema, bodyOf["protobuf-columns"](batch));
    // The batch first, its names behind it.
    const onlyBatch = create(PushNamedRequestSchema, { batch: whole.batch });
    const names = create(PushNamedRequestSchema, { ...whole, batch: undefined });
    const body = Buffer.concat([toBinary(PushNamedRequestSchema, onlyBatch), toBinary(PushNamedRequestSchema, names)]);
    expect((await client.http1(body, { headers: typeOf("protobuf-columns") })).status).toBe(200);
    expect(await client.aggregates(batch.device)).toEqual(expectedOf(batch));
  });
});
