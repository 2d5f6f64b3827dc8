import { describe, expect, it } from "vitest";
import { uplinkModes } from "../../device-sim/uplink/uplink.ts";
import { startProxy } from "../support/proxy.ts";
import { serverOfFile } from "../support/server.ts";
import { counted, countedOnce } from "./support/counted.ts";
import { deviceIdsOf, fleetDefaults, fleetOf, never, startUplink, until } from "./support/fleet.ts";
import { StableServer } from "./support/stable-server.ts";

const { devices, batchSamples } = fleetDefaults;
const drainMs = 20_000;
const kib = 1024;
const server = serverOfFile();

/** More than is under way at any moment, so that there is a middle. */
const loads = {
  stream: { batches: 1_500, spoolBytesMax: 16 * kib },
  upload: { batches: 300, spoolBytesMax: 64 * kib },
  push: { batches: 40, spoolBytesMax: 64 * kib },
};

describe.each(uplinkModes)("an uplink in the mode %s loses and repeats nothing", (mode) => {
  const { batches, spoolBytesMax } = loads[mode];

  it("when the server stops and starts again", async () => {
    const stable = await StableServer.start();
    const sender = startUplink(stable.address, mode, spoolBytesMax);
    const { uplink, delivery } = sender;
    const running = fleetOf([sender], { batches }).run(never);
    await until(() => delivery.batchesAcked >= 10);
    await stable.stop();
    expect(delivery.batchesAcked).toBeLessThan(devices * batches);
    await stable.start();
    await running;
    await uplink.close(drainMs);

    const samples = devices * batches * batchSamples;
    expect(delivery).toMatchObject({
      batchesSent: devices * batches,
      batchesAcked: devices * batches,
      samplesSent: samples,
      samplesAcked: samples,
    });
    expect(delivery.reconnects).toBeGreaterThan(0);
    expect(await counted(stable.address, "sim-")).toEqual(
      countedOnce(deviceIdsOf(fleetDefaults), batches * batchSamples),
    );
  });

  it("when its connection is cut", async () => {
    const proxy = await startProxy(server().address);
    const sender = startUplink(proxy.address, mode, spoolBytesMax);
    const { uplink, delivery } = sender;
    const idPrefix = `${mode}-cut-`;
    const running = fleetOf([sender], { batches, idPrefix }).run(never);
    for (const acked of [5, 40, 80]) {
      await until(() => delivery.batchesAcked >= acked);
      proxy.cut();
    }
    await running;
    await uplink.close(drainMs);

    expect(delivery.batchesAcked).toBe(devices * batches);
    expect(delivery.reconnects).toBeGreaterThan(0);
    expect(await counted(server().address, idPrefix)).toEqual(
      countedOnce(deviceIdsOf({ devices, idPrefix }), batches * batchSamples),
    );
  });
});

describe("an uplink", () => {
  it("goes on when the server starts after it", async () => {
    const stable = await StableServer.start();
    await stable.stop();
    const sender = startUplink(stable.address, "stream");
    const running = fleetOf([sender], { batches: 2 }).run(never);
    await until(() => sender.delivery.reconnects > 0);
    expect(sender.warnings[0]).toMatch(/connecting again$/);
    await stable.start();
    await running;
    await sender.uplink.close(drainMs);
    expect(await counted(stable.address, "sim-")).toEqual(countedOnce(deviceIdsOf(fleetDefaults), 2 * batchSamples));
  });
});
