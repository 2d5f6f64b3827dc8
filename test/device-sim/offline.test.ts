import { describe, expect, it } from "vitest";
import { uplinkModes } from "../../device-sim/uplink/uplink.ts";
import { serverOfFile } from "../support/server.ts";
import { addDevice, rowsOf, startUplink, until } from "./support/fleet.ts";

const server = serverOfFile();

async function countedOf(device: string): Promise<number> {
  const { devices } = await server().query.listDevices({ pageSize: 1_000 });
  return Number(devices.find(({ deviceId }) => deviceId === device)?.samplesCounted ?? 0);
}

describe.each(uplinkModes)("a device that is offline, by %s,", (mode) => {
  it("gathers in its spool while others send, and sends all of it in order when it is online", async () => {
    const sender = startUplink(server().address, mode);
    const { uplink, delivery } = sender;
    const truck = addDevice(sender, `truck ${mode}`);
    const other = addDevice(sender, `other ${mode}`);
    await truck.send(rowsOf(1));
    await until(() => truck.spool.ackedSequence === 1);
    truck.goOffline();
    for (const value of [2, 3, 4]) await truck.send(rowsOf(value));
    await other.send(rowsOf(5));
    await until(() => other.spool.ackedSequence === 1);
    expect({ acked: truck.spool.ackedSequence, unsent: truck.spool.hasUnsent }).toEqual({ acked: 1, unsent: false });
    expect(delivery.batchesSent).toBe(2);
    truck.goOnline();
    await uplink.close(20_000);
    expect({ acked: truck.spool.ackedSequence, sent: delivery.batchesSent }).toEqual({ acked: 4, sent: 5 });
    expect(await countedOf(`truck ${mode}`)).toBe(4);
  });
});

describe("a device that is offline", () => {
  it("is online again when its spool is full: it would wait for itself", async () => {
    const sender = startUplink(server().address, "stream", 100);
    const truck = addDevice(sender, "full");
    truck.goOffline();
    for (let value = 0; value < 10; value += 1) await truck.send(rowsOf(value));
    expect(truck.spool.ackedSequence).toBeGreaterThan(0);
    await sender.uplink.close(20_000);
    expect(await countedOf("full")).toBe(10);
  });
});
