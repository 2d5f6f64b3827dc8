import { join } from "node:path";
import Database from "better-sqlite3";
import { expect, it } from "vitest";
import { Channel } from "../../lib/rpc/client.ts";
import { DeviceService } from "../../proto/gen/telemetry/v1/device_service_pb.js";
import { IngestService } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { batch, registration } from "../support/batches.ts";
import { failureOf } from "../support/rpc.ts";
import { serve, temporaryDirectory, until } from "./support/cli.ts";

/** What one does with a server, over a channel that is closed afterwards. */
async function at<T>(address: string, run: (clients: ReturnType<typeof clientsOf>) => Promise<T>): Promise<T> {
  const channel = new Channel(address);
  try {
    return await run(clientsOf(channel));
  } finally {
    channel.close();
  }
}

function clientsOf(channel: Channel) {
  const ingest = channel.client(IngestService, "messages");
  const push = (deviceId: string, sequence: number) =>
    ingest.pushBatch({
      registration: registration(deviceId),
      payload: { case: "batch", value: batch(sequence, [1, 2, 3]) },
    });
  return {
    push,
    devices: channel.client(DeviceService, "messages"),
    query: channel.client(QueryService, "messages"),
  };
}

/** Samples in the windows of each device id, deleted ones too. */
function windowsIn(dataDir: string): Record<string, number> {
  const db = new Database(join(dataDir, "tidemark.sqlite"), { readonly: true });
  const rows = db
    .prepare(
      `SELECT coalesce(device_id, 'purged') AS device, sum(count) AS samples FROM windows
       LEFT JOIN series ON series.id = windows.series LEFT JOIN devices ON devices.id = series.device
       WHERE tier_ms = 10000 GROUP BY 1`,
    )
    .all() as { device: string; samples: number }[];
  db.close();
  return Object.fromEntries(rows.map(({ device, samples }) => [device, samples]));
}

it("a deleted device stays deleted, and is purged, though the server is killed after its delete and in its purge", {
  timeout: 60_000,
}, async () => {
  const dataDir = await temporaryDirectory();
  const data = ["--data", dataDir];
  let { server, address } = await serve([...data, "--fault", "after-delete:1"]);
  await at(address, async ({ push, devices }) => {
    for (const id of ["press", "lathe"]) for (const sequence of [1, 2]) await push(id, sequence);
    // It is stored, and the answer never comes.
    await failureOf(devices.deleteDevice({ deviceId: "press" }));
  });
  await until(() => server.over);

  ({ server, address } = await serve([...data, "--fault", "in-purge:3"]));
  // Its purge begins a second after the start.
  await until(() => server.over);

  ({ server, address } = await serve(data));
  await at(address, async ({ push, devices, query }) => {
    expect((await query.listDevices({})).devices.map(({ deviceId }) => deviceId)).toEqual(["lathe"]);
    expect(await failureOf(push("press", 3))).toMatchObject({ reason: "DEVICE_DELETED" });
    await devices.createDevice({ deviceId: "press" });
    await push("press", 2);
    await push("press", 3);
    const { device, series } = await query.getDevice({ deviceId: "press" });
    expect(device).toMatchObject({ ackedSequence: 3n, samplesCounted: 3n });
    expect(series).toBe(1);
  });
  await server.kill();
  ({ server, address } = await serve(data));
  await until(() => windowsIn(dataDir)["press"] === 3);
  server.signal("SIGTERM");
  expect((await server.ended).code).toBe(0);
  expect(windowsIn(dataDir)).toEqual({ lathe: 6, press: 3 });
});
