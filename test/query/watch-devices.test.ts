import type { MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { watcherEventsMax } from "../../lib/base/limits.ts";
import type { DeviceEvent } from "../../lib/store/device-feed.ts";
import {
  DeviceChangeKind,
  type WatchDevicesRequestSchema,
  type WatchDevicesResponse,
} from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { PendingDevices } from "../../query/pending-devices.ts";
import { asRegistration, registration } from "../support/batches.ts";
import { push } from "../support/query.ts";
import { failureOf } from "../support/rpc.ts";
import { startServer, type TestServer } from "../support/server.ts";

/** A watch that is being read, in words: `LISTED press`, or `heartbeat`. */
class Watch {
  readonly #responses: AsyncIterator<WatchDevicesResponse>;

  constructor(server: TestServer, request: MessageInitShape<typeof WatchDevicesRequestSchema> = {}) {
    this.#responses = server.query.watchDevices(request)[Symbol.asyncIterator]();
  }

  async next(): Promise<string> {
    const { value, done } = await this.#responses.next();
    if (done === true) return "end";
    const { event } = value;
    if (event.case !== "change") return event.case ?? "nothing";
    return `${DeviceChangeKind[event.value.kind]} ${event.value.device?.deviceId}`;
  }

  async take(count: number): Promise<string[]> {
    const told: string[] = [];
    while (told.length < count) told.push(await this.next());
    return told;
  }

  async stop(): Promise<void> {
    await this.#responses.return?.();
  }
}

describe("a watch of devices", () => {
  it("begins with the devices that there are, then tells each change", async () => {
    const server = await startServer();
    await push(server, "press", 1, [1]);
    await server.devices.createDevice({ deviceId: "lathe" });
    const watch = new Watch(server);
    expect(await watch.take(3)).toEqual(["LISTED lathe", "LISTED press", "heartbeat"]);
    await server.devices.createDevice({ deviceId: "drill" });
    expect(await watch.next()).toBe("CREATED drill");
    const stream = server.ingest.streamBatches();
    await stream.write(asRegistration(registration("lathe")));
    expect(await watch.take(2)).toEqual(["APPEARED lathe", "CONNECTED lathe"]);
    await server.devices.updateDevice({ deviceId: "lathe", description: "x" });
    expect(await watch.next()).toBe("UPDATED lathe");
    await push(server, "press", 1, [1], { spool: 2 });
    expect(await watch.next()).toBe("SUPERSEDED press");
    stream.end();
    expect(await watch.next()).toBe("DISCONNECTED lathe");
    await server.devices.deleteDevice({ deviceId: "lathe" });
    expect(await watch.next()).toBe("DELETED lathe");
    await watch.stop();
  });

  it("has the device as it is after the change", async () => {
    const server = await startServer();
    const responses = server.query.watchDevices({ changesOnly: true })[Symbol.asyncIterator]();
    expect((await responses.next()).value?.event.case).toBe("heartbeat");
    await server.devices.createDevice({ deviceId: "press", labels: { site: "x" }, description: "one" });
    const created = (await responses.next()).value as WatchDevicesResponse;
    const device = { deviceId: "press", labels: { site: "x" }, description: "one" };
    expect(created.event).toMatchObject({ case: "change", value: { device } });
    await server.devices.deleteDevice({ deviceId: "press" });
    const deleted = (await responses.next()).value as WatchDevicesResponse;
    expect(deleted.event).toMatchObject({ value: { device: { deviceId: "press", labels: {} } } });
    await responses.return?.();
  });

  it("tells that a device on a call is silent", async () => {
    const server = await startServer({}, { latenessMs: 1_000 });
    const watch = new Watch(server, { changesOnly: true });
    await watch.next();
    const stream = server.ingest.streamBatches();
    await stream.write(asRegistration(registration("press")));
    expect(await watch.take(3)).toEqual(["APPEARED press", "CONNECTED press", "SILENT press"]);
    stream.end();
    await watch.stop();
  });

  it("is of the devices whose ids and labels are asked for, as they are at the change", async () => {
    const server = await startServer();
    const watch = new Watch(server, { deviceIdPrefixes: ["truck-"], labels: { site: "north" } });
    expect(await watch.next()).toBe("heartbeat");
    const create = (deviceId: string, site: string) => server.devices.createDevice({ deviceId, labels: { site } });
    await create("press", "north");
    await create("truck-1", "south");
    await create("truck-2", "north");
    expect(await watch.next()).toBe("CREATED truck-2");
    await server.devices.updateDevice({ deviceId: "truck-1", labels: { site: "north" } });
    expect(await watch.next()).toBe("UPDATED truck-1");
    await server.devices.deleteDevice({ deviceId: "press" });
    await server.devices.deleteDevice({ deviceId: "truck-2" });
    expect(await watch.next()).toBe("DELETED truck-2");
    await watch.stop();
    const refused = await failureOf(server.query.watchDevices({ deviceIdPrefixes: [""] }));
    expect(refused).toMatchObject({ status: "INVALID_ARGUMENT" });
  });

  it("lists more devices than a page, each once, and ends with the server", async () => {
    const server = await startServer();
    const ids = Array.from({ length: 250 }, (_, i) => `device-${String(i).padStart(3, "0")}`);
    await Promise.all(ids.map((deviceId) => server.devices.createDevice({ deviceId })));
    const watch = new Watch(server);
    expect(await watch.take(251)).toEqual([...ids.map((id) => `LISTED ${id}`), "heartbeat"]);
    const stopping = server.stop();
    expect(await watch.next()).toBe("end");
    await stopping;
  });
});

describe("the events that wait for a watcher", () => {
  const event = (kind: DeviceEvent["kind"], deviceId = "press"): DeviceEvent => ({
    kind,
    deviceId,
    labels: {},
    timeMs: 0,
  });
  const kindsOf = (pending: PendingDevices) => pending.take(10).map(({ kind, deviceId }) => `${kind} ${deviceId}`);

  it("are the latest of each kind, and the latest of the connection", () => {
    const pending = new PendingDevices({});
    pending.add([event("appeared"), event("connected"), event("updated"), event("disconnected"), event("updated")]);
    pending.add([event("created", "lathe"), event("connected"), event("silent")]);
    expect(pending.length).toBe(4);
    expect(kindsOf(pending)).toEqual(["appeared press", "updated press", "silent press", "created lathe"]);
    expect(pending.length).toBe(0);
  });

  it("are nothing of before when a device is deleted, and what comes after it", () => {
    const pending = new PendingDevices({});
    pending.add([event("created"), event("connected"), event("deleted"), event("created")]);
    expect(kindsOf(pending)).toEqual(["deleted press", "created press"]);
  });

  it("are bounded", () => {
    const pending = new PendingDevices({});
    const events = Array.from({ length: 2 * watcherEventsMax }, (_, i) => event("connected", `device-${i}`));
    pending.add(events);
    expect(pending.overflowing).toBe(true);
    expect(pending.length).toBe(watcherEventsMax + 1);
  });
});
