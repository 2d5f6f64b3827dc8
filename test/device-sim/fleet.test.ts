import { describe, expect, it } from "vitest";
import { MetricKind } from "../../proto/gen/telemetry/v1/metric_pb.js";
import { serverOfFile } from "../support/server.ts";
import { fleetOf, never, startUplink } from "./support/fleet.ts";

const server = serverOfFile();

/** Registers a fleet whose devices send a reading each. */
async function registered(idPrefix: string, devices: number, seed: number) {
  const sender = startUplink(server().address, "stream");
  await fleetOf([sender], { idPrefix, devices, seed, metrics: 10, batchSamples: 10, batches: 1 }).run(never);
  await sender.uplink.close(20_000);
  const listed = await server().query.listDevices({ pageSize: 1_000 });
  return listed.devices.filter(({ deviceId }) => deviceId.startsWith(idPrefix)).map(({ labels }) => labels);
}

describe("a simulated fleet", () => {
  it("is labelled by site, model and firmware, each device for good", async () => {
    const labels = await registered("one-", 60, 1);
    const values = (name: string) => [...new Set(labels.map((each) => each[name]))].sort();
    expect(new Set(labels.map((each) => Object.keys(each).sort().join()))).toEqual(new Set(["firmware,model,site"]));
    expect(values("site")).toEqual(["berlin", "lyon", "osaka", "tulsa"]);
    expect(values("model")).toEqual(["x100", "x200", "x300"]);
    expect(values("firmware")).toEqual(["1.4.2", "1.5.0", "2.0.1"]);
    expect(await registered("two-", 20, 1)).toEqual(labels.slice(0, 20));
    expect(await registered("three-", 20, 2)).not.toEqual(labels.slice(0, 20));
  });

  it("has gauges and two counters, each with unit and description", async () => {
    await registered("kinds-", 1, 1);
    const { metrics } = await server().query.listMetrics({ selector: { deviceIds: ["kinds-0001"] } });
    expect(metrics).toHaveLength(10);
    const counters = metrics.filter(({ kind }) => kind === MetricKind.COUNTER).map(({ name, unit }) => [name, unit]);
    expect(counters).toEqual([
      ["energy", "W.h"],
      ["packets", "1"],
    ]);
    expect(metrics.filter(({ unit, description }) => unit === "" || description === "")).toEqual([]);
  });
});
