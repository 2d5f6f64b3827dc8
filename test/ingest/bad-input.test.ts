import { create, toBinary } from "@bufbuild/protobuf";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { batchBytesMax, batchSamplesMax, deviceIdBytesMax, messageBytesMax } from "../../lib/base/limits.ts";
import { encodeBatch, type Table } from "../../lib/wire/batch-encoder.ts";
import { BatchSchema, RefusalReason } from "../../proto/gen/telemetry/v1/batch_pb.js";
import { asBatches, asRegistration, batch, dayMs, pushBytes, registration, streamBytes } from "../support/batches.ts";
import { serverOfFile } from "../support/server.ts";
import { deliver, sendRaw, sessionOf, Witness, ways } from "../support/ways.ts";

/** Everything here comes from outside and is wrong. It is told why, and harms nobody else. */

const server = serverOfFile();
let witness: Witness;
beforeAll(async () => {
  witness = await Witness.start(server());
});
afterEach(async () => {
  const { sent, acked } = await witness.send();
  expect(acked).toBe(sent);
});
afterAll(() => witness.end());

let devices = 0;
/** A device that no other test uses. */
const newDevice = () => registration(`device-${++devices}`);

const table: Table = { metricHandles: [1], baseTimeMs: dayMs, offsetsMs: [0, 1], values: Float64Array.of(1, 2) };
const encode = (value: Parameters<typeof batch>) => toBinary(BatchSchema, create(BatchSchema, batch(...value)));
const goodBatch = (sequence: number) => encode([sequence, [1, 2, 3]]);

/** 100,000 samples are within the limit, with times of 5 bytes each their batch is not. */
const farOffsets = new Uint32Array(batchSamplesMax).fill(2 ** 31);

describe.each(ways)("a batch by %s", (way) => {
  function refused(name: string, bytes: Uint8Array, reason: RefusalReason, ...texts: string[]) {
    it(`is refused with field and limit when ${name}, and the next one counts`, async () => {
      const device = newDevice();
      const { complaint, status, refusals } = await deliver(server(), way, device, bytes);
      if (way === "push") {
        expect(status).toBe("INVALID_ARGUMENT");
        for (const text of texts) expect(complaint?.text).toContain(text);
      } else {
        expect(refusals).toMatchObject([{ sequence: 1n, reason, samples: 0 }]);
        for (const text of texts) expect(refusals[0]?.detail).toContain(text);
      }
      expect(await sessionOf(server(), device)).toMatchObject({ ackedSequence: 1n, samplesCounted: 0n });
      expect(await deliver(server(), way, device, goodBatch(2))).toMatchObject({ ackedSequence: 2, refusals: [] });
      expect(await sessionOf(server(), device)).toMatchObject({ samplesCounted: 3n });
    });
  }
  const samples = batchSamplesMax + 1;
  const tooMany = { ...table, offsetsMs: new Uint8Array(samples), values: new Float64Array(samples) };
  const tooLarge = { ...table, offsetsMs: farOffsets, values: new Float64Array(batchSamplesMax) };
  const { BATCH_TOO_LARGE, MALFORMED_BATCH, SIZE_MISMATCH, UNKNOWN_METRIC } = RefusalReason;
  refused(
    "it has too many bytes",
    encodeBatch(1, 1, [tooLarge, tooLarge]),
    BATCH_TOO_LARGE,
    "batch",
    `limit is ${batchBytesMax}`,
  );
  refused(
    "it has too many samples",
    encodeBatch(1, 1, [tooMany]),
    BATCH_TOO_LARGE,
    "batch",
    `limit is ${batchSamplesMax}`,
  );
  refused(
    "values are not metrics x times",
    encodeBatch(1, 1, [{ ...table, values: new Float64Array(3) }]),
    SIZE_MISMATCH,
    "batch.tables[0].values has 3 entries",
    "1 metrics x 2 times = 2",
  );
  refused(
    "it names a metric that is not registered",
    encodeBatch(1, 1, [{ ...table, metricHandles: [77] }]),
    UNKNOWN_METRIC,
    "batch.tables[0].metric_handles: handle 77 is not registered",
  );
  // Tables are field 3; this one says that it has 2 bytes, and its metric handles that they have 9.
  const damaged = Uint8Array.of(0x08, 1, 0x10, 1, 0x1a, 2, 0x0a, 9);
  refused(
    "its tables are damaged",
    damaged,
    MALFORMED_BATCH,
    "batch.tables[0] cannot be read",
    "longer than its message",
  );

  it("is not taken when its device handle is not registered, and the device goes on", async () => {
    const device = newDevice();
    const { complaint, status } = await deliver(server(), way, device, encode([1, [1], { handle: 5 }]));
    if (way !== "stream") expect(status).toBe("INVALID_ARGUMENT");
    expect(complaint).toMatchObject({ reason: "UNKNOWN_DEVICE" });
    expect(complaint?.text).toContain("batch.device_handle is 5, which is not registered on this call");
    expect(await deliver(server(), way, device, goodBatch(1))).toMatchObject({ ackedSequence: 1 });
  });

  it("counts but for the samples that cannot, which are named", async () => {
    const device = newDevice();
    const year10000Ms = Date.UTC(10_000, 0, 1);
    const aheadMs = Date.now() + 20 * 60_000;
    const bytes = encodeBatch(1, 1, [
      { ...table, values: Float64Array.of(Number.POSITIVE_INFINITY, 2) },
      { ...table, baseTimeMs: year10000Ms, offsetsMs: [0], values: Float64Array.of(4) },
      { ...table, baseTimeMs: aheadMs, offsetsMs: [0], values: Float64Array.of(8) },
      { ...table, offsetsMs: [5], values: Float64Array.of(16) },
    ]);
    const { ackedSequence, refusals } = await deliver(server(), way, device, bytes);
    expect(ackedSequence).toBe(1);
    const named = { sequence: 1n, samples: 1, metricHandle: 1 };
    expect(refusals).toMatchObject([
      { ...named, reason: RefusalReason.INFINITE_VALUE, timeUnixMs: BigInt(dayMs) },
      { ...named, reason: RefusalReason.TIME_OUT_OF_RANGE, timeUnixMs: BigInt(year10000Ms) },
      { ...named, reason: RefusalReason.TIME_IN_FUTURE, timeUnixMs: BigInt(aheadMs) },
    ]);
    expect(await sessionOf(server(), device)).toMatchObject({ samplesCounted: 2n, samplesRefused: 3n });
  });
});

describe.each(ways)("a registration by %s", (way) => {
  function refused(name: string, change: object, ...texts: string[]) {
    it(`is refused with field and limit when ${name}, and a good one is taken`, async () => {
      const device = newDevice();
      const { complaint, status } = await deliver(server(), way, { ...device, ...change }, goodBatch(1));
      if (way !== "stream") expect(status).toBe("INVALID_ARGUMENT");
      expect(complaint?.reason).toBe(way === "stream" ? "INVALID_REGISTRATION" : "INVALID_FIELD");
      for (const text of texts) expect(complaint?.text).toContain(text);
      expect(complaint?.text.length).toBeLessThan(500);
      expect(await deliver(server(), way, device, goodBatch(1))).toMatchObject({ ackedSequence: 1 });
    });
  }
  refused(
    "the device id is empty",
    { deviceId: "" },
    "registration.device_id is empty",
    `1 to ${deviceIdBytesMax} bytes`,
  );
  refused(
    "the device id has 10,000 characters",
    { deviceId: "x".repeat(10_000) },
    "registration.device_id has 10000 bytes",
    `the limit is ${deviceIdBytesMax}`,
  );
  refused(
    "the device id has control characters",
    { deviceId: "a\u001b[2Jb" },
    "registration.device_id",
    "control characters",
  );
  refused(
    "the spool id is short",
    { spoolId: new Uint8Array(15) },
    "registration.spool_id has 15 bytes",
    "16 random bytes",
  );
  refused(
    "the spool id is long",
    { spoolId: new Uint8Array(17) },
    "registration.spool_id has 17 bytes",
    "16 random bytes",
  );
  refused(
    "a metric has no kind",
    { metrics: [{ handle: 1, name: "temperature" }] },
    "registration.metrics[0].kind is 0",
    "METRIC_KIND_GAUGE",
  );
});

describe.each(ways)("a message by %s", (way) => {
  function malformed(name: string, message: (device: ReturnType<typeof newDevice>) => Uint8Array, text: string) {
    it(`ends its call with the reason when it is ${name}, and another call counts`, async () => {
      const device = newDevice();
      const { complaint, status } = await sendRaw(server(), way, message(device));
      expect(status).toBe(way === "stream" ? "OK" : "INVALID_ARGUMENT");
      expect(complaint?.reason).toBe("MALFORMED_MESSAGE");
      expect(complaint?.text).toContain(text);
      expect(await deliver(server(), way, device, goodBatch(1))).toMatchObject({ ackedSequence: 1 });
    });
  }
  const whole = (device: ReturnType<typeof newDevice>) =>
    way === "push"
      ? pushBytes(device, { batch: batch(1, [1]) })
      : Buffer.concat([streamBytes(asRegistration(device)), streamBytes(asBatches(batch(1, [1])))]);
  malformed("garbage", () => new Uint8Array(64).fill(0xff), "message cannot be read");
  malformed("cut off", (device) => whole(device).subarray(0, -5), "message cannot be read");
  malformed("empty", () => new Uint8Array(0), "none of registration, batches and gap");
  // A registration whose device id is the byte 0xff.
  malformed("not UTF-8", () => Uint8Array.of(0x0a, 3, 0x12, 1, 0xff), "registration cannot be read");
  malformed("too large", () => new Uint8Array(messageBytesMax + 1), `the limit is ${messageBytesMax}`);
});
