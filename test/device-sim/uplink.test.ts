import { describe, expect, it } from "vitest";
import { uplinkModes } from "../../device-sim/uplink/uplink.ts";
import { serverOfFile } from "../support/server.ts";
import { counted, countedOnce } from "./support/counted.ts";
import { addDevice, deviceIdsOf, fleetDefaults, fleetOf, never, rowsOf, startUplink, until } from "./support/fleet.ts";

const { devices, batchSamples } = fleetDefaults;
const drainMs = 20_000;
const server = serverOfFile();

describe.each(uplinkModes)("an uplink in the mode %s", (mode) => {
  const id = (name: string) => `${mode}-${name}`;

  it("brings every sample to the server, once", async () => {
    const sender = startUplink(server().address, mode);
    const { uplink, delivery } = sender;
    await fleetOf([sender], { batches: 20, idPrefix: id("fleet-") }).run(never);
    await uplink.close(drainMs);

    const samples = devices * 20 * batchSamples;
    expect(delivery).toMatchObject({
      batchesSent: devices * 20,
      batchesAcked: devices * 20,
      samplesSent: samples,
      samplesAcked: samples,
      samplesRejected: 0,
      reconnects: 0,
    });
    expect(delivery.ackMs(99)).toBeGreaterThan(0);
    expect({ unacked: uplink.unackedBatches, failures: uplink.failures.size }).toEqual({ unacked: 0, failures: 0 });
    const deviceIds = deviceIdsOf({ devices, idPrefix: id("fleet-") });
    expect(await counted(server().address, id("fleet-"))).toEqual(countedOnce(deviceIds, 20 * batchSamples));
  });

  it("is told that it is superseded when another one has taken its devices over", async () => {
    const first = startUplink(server().address, mode);
    const firstDevice = addDevice(first, id("twin"));
    await firstDevice.send(rowsOf(1));
    await until(() => first.delivery.batchesAcked === 1);

    const second = startUplink(server().address, mode);
    const secondDevice = addDevice(second, id("twin"));
    await secondDevice.send(rowsOf(2));
    await until(() => second.delivery.batchesAcked === 1);

    await firstDevice.send(rowsOf(3));
    await until(() => first.uplink.failures.size > 0);
    expect(first.uplink.failures.get(id("twin"))).toMatchObject({ reason: "SUPERSEDED" });
    await expect(firstDevice.send(rowsOf(4))).rejects.toMatchObject({ reason: "SUPERSEDED" });
    // Nothing is left to wait for.
    await first.uplink.close(drainMs);

    await secondDevice.send(rowsOf(5));
    await second.uplink.close(drainMs);
    expect(second.uplink.failures.size).toBe(0);
    expect(await counted(server().address, id("twin"))).toEqual(countedOnce([id("twin")], 3));
  });

  it("is told that one of its devices was deleted, and goes on with the others", async () => {
    const gateway = startUplink(server().address, mode);
    const pump = addDevice(gateway, id("deleted"));
    const fan = addDevice(gateway, id("kept"));
    await Promise.all([pump.send(rowsOf(1)), fan.send(rowsOf(1))]);
    await until(() => gateway.delivery.batchesAcked === 2);

    await server().devices.deleteDevice({ deviceId: id("deleted"), force: true });
    await Promise.all([pump.send(rowsOf(2)), fan.send(rowsOf(2))]);
    await until(() => gateway.uplink.failures.size > 0);
    const failure = gateway.uplink.failures.get(id("deleted"));
    expect(failure).toMatchObject({ reason: "DEVICE_DELETED" });
    expect(failure?.message).toContain("was deleted, and nothing of it is taken; stop this sender");
    await gateway.uplink.close(drainMs);
    expect([...gateway.uplink.failures.keys()]).toEqual([id("deleted")]);
    expect(await counted(server().address, id("kept"))).toEqual(countedOnce([id("kept")], 2));
  });

  it("goes on with its other devices when one of them is taken over", async () => {
    const gateway = startUplink(server().address, mode);
    const pump = addDevice(gateway, id("pump"));
    const fan = addDevice(gateway, id("fan"));
    await Promise.all([pump.send(rowsOf(1)), fan.send(rowsOf(1))]);
    await until(() => gateway.delivery.batchesAcked === 2);

    const thief = startUplink(server().address, mode);
    await addDevice(thief, id("pump")).send(rowsOf(2));
    await thief.uplink.close(drainMs);

    await Promise.all([pump.send(rowsOf(3)), fan.send(rowsOf(2))]);
    await gateway.uplink.close(drainMs);
    expect([...gateway.uplink.failures.keys()]).toEqual([id("pump")]);
    expect(await counted(server().address, id("fan"))).toEqual(countedOnce([id("fan")], 2));
  });

  it("counts what the server refuses, and tells the first reason in the server's words", async () => {
    const sender = startUplink(server().address, mode);
    await addDevice(sender, id("hot")).send(rowsOf(1, Number.POSITIVE_INFINITY, 3));
    await sender.uplink.close(drainMs);
    expect(sender.delivery).toMatchObject({ samplesSent: 3, samplesAcked: 2, samplesRejected: 1 });
    expect([...sender.delivery.refusals.values()]).toEqual([expect.stringMatching(`^${id("hot")}: .* is Infinity`)]);
    expect(await counted(server().address, id("hot"))).toEqual(countedOnce([id("hot")], 2));
  });

  it("goes on after a batch that the server refuses whole", async () => {
    const sender = startUplink(server().address, mode);
    const device = addDevice(sender, id("odd"));
    const [table] = rowsOf(1, 2).tables;
    await device.send({ tables: [{ ...table, metricHandles: [99] }], samples: 2 });
    await device.send(rowsOf(3, 4, 5));
    await sender.uplink.close(drainMs);
    expect(sender.delivery).toMatchObject({ batchesAcked: 2, samplesSent: 5, samplesAcked: 3, samplesRejected: 2 });
    expect([...sender.delivery.refusals.values()]).toEqual([expect.stringMatching(`^${id("odd")}: .*99`)]);
    expect(await counted(server().address, id("odd"))).toEqual(countedOnce([id("odd")], 3));
  });

  it("tells which devices the server refuses for good, and goes on with the others", async () => {
    const sender = startUplink(server().address, mode);
    const long = addDevice(sender, id("x".repeat(300)));
    const good = addDevice(sender, id("short"));
    await Promise.all([long.send(rowsOf(1)), good.send(rowsOf(1))]);
    await sender.uplink.close(drainMs);
    expect([...sender.uplink.failures.keys()]).toEqual([long.deviceId]);
    expect(sender.uplink.failures.get(long.deviceId)?.message).toMatch(/device_id has 30\d bytes .* limit is 256/);
    expect(await counted(server().address, id("short"))).toEqual(countedOnce([id("short")], 1));
  });

  it("gives up what nobody acks when it has waited as long as it may", async () => {
    // Nobody listens on port 1.
    const sender = startUplink("127.0.0.1:1", mode);
    await addDevice(sender, id("lonely")).send(rowsOf(1));
    await sender.uplink.close(1);
    expect(sender.uplink.unackedBatches).toBe(1);
    expect(sender.delivery.batchesAcked).toBe(0);
  });
});

describe("several uplinks", () => {
  it("share the devices of a fleet", async () => {
    const uplinks = uplinkModes.map((mode) => startUplink(server().address, mode));
    await fleetOf(uplinks, { batches: 5, idPrefix: "shared-" }).run(never);
    await Promise.all(uplinks.map(({ uplink }) => uplink.close(drainMs)));
    expect(uplinks.map(({ delivery }) => delivery.batchesAcked)).toEqual([10, 5, 5]);
    const deviceIds = deviceIdsOf({ devices, idPrefix: "shared-" });
    expect(await counted(server().address, "shared-")).toEqual(countedOnce(deviceIds, 5 * batchSamples));
  });

  it("tell the first of two fleets with the same ids that it is superseded", async () => {
    const options = { idPrefix: "twins-", batches: undefined, intervalMs: 10, speed: 1, startMs: Date.now() };
    const stop = new AbortController();
    const first = startUplink(server().address, "stream");
    const firstRun = fleetOf([first], options).run(stop.signal);
    await until(() => first.delivery.batchesAcked > 0);

    const second = startUplink(server().address, "stream");
    const secondRun = fleetOf([second], options).run(stop.signal);
    // All its devices are refused: it ends by itself.
    await firstRun;
    await first.uplink.close(drainMs);
    stop.abort();
    await secondRun;
    await second.uplink.close(drainMs);

    const reasons = [...first.uplink.failures].map(([deviceId, { reason }]) => [deviceId, reason]);
    const deviceIds = deviceIdsOf({ devices, idPrefix: "twins-" });
    expect(reasons).toEqual(deviceIds.map((deviceId) => [deviceId, "SUPERSEDED"]));
    expect(second.uplink.failures.size).toBe(0);
    const sessions = Object.values(await counted(server().address, "twins-")).map(({ session }) => session);
    const total = sessions.reduce((sum, session) => sum + session, 0);
    const deliveries = [first.delivery, second.delivery];
    // What was under way when the second one came is counted or not.
    expect(total).toBeGreaterThanOrEqual(deliveries.reduce((sum, { samplesAcked }) => sum + samplesAcked, 0));
    expect(total).toBeLessThanOrEqual(deliveries.reduce((sum, { samplesSent }) => sum + samplesSent, 0));
  });
});
