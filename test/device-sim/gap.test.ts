import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { DeliveryLog } from "../../device-sim/log/delivery-log.ts";
import { Delivery } from "../../device-sim/uplink/delivery.ts";
import { MemorySpools } from "../../device-sim/uplink/memory-spool.ts";
import { SealGroup } from "../../device-sim/uplink/seal-group.ts";
import type { SpoolBounds } from "../../device-sim/uplink/spool.ts";
import { Uplink, type UplinkMode, uplinkModes } from "../../device-sim/uplink/uplink.ts";
import { systemClock } from "../../lib/base/clock.ts";
import { silentLog } from "../../lib/base/log.ts";
import { Prng } from "../../lib/base/prng.ts";
import { Channel } from "../../lib/rpc/client.ts";
import { GapReason } from "../../proto/gen/telemetry/v1/batch_pb.js";
import { IngestService, RejectReason, SlowDownCause } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { serve } from "../support/rpc.ts";
import { serverOfFile } from "../support/server.ts";
import { addDevice, rowsOf, until } from "./support/fleet.ts";
import { type Answer, registered } from "./support/scripted-server.ts";

const drainMs = 20_000;
const server = serverOfFile();
let uplinks = 0;

/** Room for four batches of `rowsOf(n)`. */
const overwriting: SpoolBounds = { bytesMax: 120, whenFull: "overwrite" };
const blocking: SpoolBounds = { bytesMax: 10_000, whenFull: "block" };

function start(address: string, mode: UplinkMode, bounds: SpoolBounds) {
  uplinks += 1;
  const prng = new Prng(uplinks, "gap test");
  const channel = new Channel(address);
  const delivery = new Delivery();
  const directory = mkdtempSync(join(tmpdir(), "tidemark-gap-"));
  const file = join(directory, "log");
  const deliveryLog = new DeliveryLog(file);
  const randomBytes = (length: number) => prng.bytes(length);
  const uplink = new Uplink({
    channel,
    mode,
    spoolBytesMax: 0,
    delivery,
    clock: systemClock,
    prng,
    randomBytes,
    log: silentLog,
    spools: new MemorySpools(bounds, randomBytes),
    seals: new SealGroup([deliveryLog]),
    deliveryLog,
  });
  onTestFinished(async () => {
    await uplink.close(0);
    channel.close();
    deliveryLog.close();
    rmSync(directory, { recursive: true, force: true });
  });
  /** Lines of the log, of one kind. */
  const logged = (event: string) =>
    readFileSync(file, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { event: string; first?: number; last?: number; samples?: number })
      .filter((line) => line.event === event);
  return { uplink, delivery, logged, warnings: [] };
}

describe.each(uplinkModes)("a full spool that overwrites, in the mode %s", (mode) => {
  it("records what is lost as a gap, and the rest is counted", async () => {
    const sender = start(server().address, mode, overwriting);
    const deviceId = `${mode}-full`;
    const device = addDevice(sender, deviceId);
    // All of them before the first call begins.
    for (let i = 1; i <= 20; i += 1) void device.send(rowsOf(i, i)).catch(() => {});
    await sender.uplink.close(drainMs);

    const { batchesLost, samplesLost, batchesAcked } = sender.delivery;
    expect(batchesLost).toBeGreaterThan(0);
    expect({ sum: batchesLost + batchesAcked, samplesLost, failures: sender.uplink.failures.size }).toEqual({
      sum: 20,
      samplesLost: 2 * batchesLost,
      failures: 0,
    });
    const { devices } = await server().query.listDevices({ pageSize: 1_000 });
    expect(devices.find((each) => each.deviceId === deviceId)).toMatchObject({
      ackedSequence: 20n,
      samplesCounted: BigInt(2 * batchesAcked),
      samplesLost: BigInt(samplesLost),
      batchesLost: BigInt(batchesLost),
    });
    expect(sender.logged("gap")).toMatchObject([{ first: 1, last: batchesLost, samples: samplesLost }]);
  });
});

/** What a scripted server was sent, as text: `1`, `gap 2-3 SPOOL_FULL`. */
async function serveGaps(answer: (sent: string, stream: number) => Answer[] | "end") {
  const streams: string[][] = [];
  const { address } = await serve(IngestService, "messages", {
    async *streamBatches(requests) {
      const sent: string[] = [];
      const stream = streams.push(sent);
      for await (const { message } of requests) {
        for (const text of textsOf(message)) {
          sent.push(text);
          const answers = answer(text, stream);
          if (answers === "end") return;
          for (const each of answers) yield { message: each };
        }
      }
    },
  });
  return { address, streams };
}

function textsOf(message: { case: string | undefined; value?: unknown }): string[] {
  if (message.case === "registration") return ["registration"];
  if (message.case === "batches") {
    return (message.value as { batches: { sequence: bigint }[] }).batches.map(({ sequence }) => String(sequence));
  }
  const gap = message.value as { firstSequence: bigint; lastSequence: bigint; reason: GapReason };
  return [`gap ${gap.firstSequence}-${gap.lastSequence} ${GapReason[gap.reason]}`];
}

const ackOf = (sequence: number): Answer => ({
  case: "ack",
  value: { devices: [{ deviceHandle: 1, ackedSequence: BigInt(sequence) }] },
});
const gapReject = (expected: number): Answer => ({
  case: "reject",
  value: { deviceHandle: 1, reason: RejectReason.SEQUENCE_GAP, expectedSequence: BigInt(expected) },
});
const registeredBy = (store: number, ackedSequence: number): Answer => ({
  case: "registered",
  value: { deviceHandle: 1, ackedSequence: BigInt(ackedSequence), storeIncarnation: new Uint8Array(16).fill(store) },
});
/** The last sequence that a text names. */
const lastOf = (text: string) => Number(/(\d+)( |$)/.exec(text.replace(/^gap \d+-/, ""))?.[1]);

describe("a gap", () => {
  it("is shortened when the server rejects it because it has a part of it", async () => {
    let gaps = 0;
    const { address, streams } = await serveGaps((sent) => {
      if (sent === "registration") return [registered(1)];
      if (!sent.startsWith("gap")) return gaps === 1 ? [gapReject(3)] : [ackOf(lastOf(sent))];
      gaps += 1;
      return gaps === 1 ? [gapReject(3)] : [ackOf(lastOf(sent))];
    });
    const sender = start(address, "stream", overwriting);
    const device = addDevice(sender, "pump");
    for (let i = 1; i <= 10; i += 1) void device.send(rowsOf(i)).catch(() => {});
    await sender.uplink.close(drainMs);
    const [first, second] = streams[0].filter((text) => text.startsWith("gap"));
    expect(first).toMatch(/^gap 1-\d SPOOL_FULL$/);
    expect(second).toBe(first.replace("1-", "3-"));
    expect(sender.logged("gap").map(({ first: from }) => from)).toEqual([1, 3]);
    expect(sender.uplink.unackedBatches).toBe(0);
  });

  it("is told first to a server that was set back, and nothing stops", async () => {
    const { address, streams } = await serveGaps((sent, stream) => {
      if (sent === "registration") return [registeredBy(stream, stream === 1 ? 0 : 2)];
      if (stream === 1 && sent === "6") return "end";
      return [ackOf(lastOf(sent))];
    });
    const sender = start(address, "stream", blocking);
    const device = addDevice(sender, "pump");
    for (let i = 1; i <= 5; i += 1) void device.send(rowsOf(i)).catch(() => {});
    await until(() => sender.delivery.batchesAcked === 5);
    await device.send(rowsOf(6));
    await sender.uplink.close(drainMs);
    expect(streams[1]).toEqual(["registration", "gap 3-5 STORE_RESTORED", "6"]);
    expect(sender.delivery).toMatchObject({ batchesLost: 3, batchesAcked: 6 });
    expect(sender.uplink.failures.size).toBe(0);
  });

  it("does not hide what the same store has lost", async () => {
    const { address } = await serveGaps((sent, stream) => {
      if (sent === "registration") return [registeredBy(1, stream === 1 ? 0 : 2)];
      if (stream === 1 && sent === "6") return "end";
      return [ackOf(lastOf(sent))];
    });
    const sender = start(address, "stream", blocking);
    const device = addDevice(sender, "pump");
    for (let i = 1; i <= 5; i += 1) void device.send(rowsOf(i)).catch(() => {});
    await until(() => sender.delivery.batchesAcked === 5);
    await device.send(rowsOf(6));
    await sender.uplink.close(drainMs);
    expect(sender.uplink.failures.get("pump")).toMatchObject({ reason: "ACKED_BATCHES_LOST" });
    expect(sender.uplink.failures.get("pump")?.message).toContain("sequences 3 to 5 of pump");
  });

  it("is no answer to a server that has more than the spool has sealed", async () => {
    const { address } = await serveGaps(() => [registeredBy(1, 9)]);
    const sender = start(address, "stream", blocking);
    void addDevice(sender, "pump")
      .send(rowsOf(1))
      .catch(() => {});
    await sender.uplink.close(drainMs);
    expect(sender.uplink.failures.get("pump")).toMatchObject({ reason: "SPOOL_BEHIND" });
  });
});

describe("an uplink", () => {
  it("counts why the server is slow", async () => {
    const { address } = await serveGaps((sent) => {
      if (sent === "registration") return [registered(1)];
      return [
        { case: "slowDown", value: { cause: SlowDownCause.DISK } },
        { case: "slowDown", value: { cause: SlowDownCause.QUOTA } },
        ackOf(lastOf(sent)),
      ];
    });
    const sender = start(address, "stream", blocking);
    await addDevice(sender, "pump").send(rowsOf(1));
    await sender.uplink.close(drainMs);
    expect(sender.delivery.slowDowns).toEqual({ disk: 1, quota: 1, memory: 0 });
  });
});
