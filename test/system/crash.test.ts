import { expect, it } from "vitest";
import { fleetOf, never, startUplink, until } from "../device-sim/support/fleet.ts";
import { startServer } from "../support/server.ts";
import { aggregatesOf } from "./support/aggregates.ts";
import { serve, temporaryDirectory } from "./support/cli.ts";

const fleet = { devices: 6, batches: 2_000, batchSamples: 20 };
const samples = fleet.devices * fleet.batches * fleet.batchSamples;

/** Small, so that most of the fleet's batches come after each crash. */
const spoolBytesMax = 8 * 1024;

it("counts every acked sample once in every aggregate, though the server is killed again and again", async () => {
  const dataDir = await temporaryDirectory();
  let { server, address } = await serve(["--data", dataDir]);
  const sender = startUplink(address, "stream", spoolBytesMax);
  const running = fleetOf([sender], fleet).run(never);
  for (const part of [0.2, 0.6]) {
    await until(() => sender.delivery.samplesAcked >= part * samples);
    await server.kill();
    expect(sender.delivery.samplesAcked).toBeLessThan(samples);
    ({ server, address } = await serve(["--data", dataDir, "--grpc", address]));
  }
  await running;
  await sender.uplink.close(20_000);
  expect(sender.delivery).toMatchObject({ samplesSent: samples, samplesAcked: samples });
  expect(sender.delivery.reconnects).toBeGreaterThanOrEqual(2);

  const steady = await startServer();
  const reference = startUplink(steady.address, "stream");
  await fleetOf([reference], fleet).run(never);
  await reference.uplink.close(20_000);
  const expected = await aggregatesOf(steady.address);
  expect(Object.keys(expected).length).toBeGreaterThan(100);
  expect(await aggregatesOf(address)).toEqual(expected);
});
