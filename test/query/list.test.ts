import { describe, expect, it } from "vitest";
import { pageSizeDefault, pageSizeMax } from "../../lib/base/limits.ts";
import { MetricKind } from "../../proto/gen/telemetry/v1/metric_pb.js";
import { gap, registration, spool } from "../support/batches.ts";
import { push } from "../support/query.ts";
import { failureOf } from "../support/rpc.ts";
import { startServer, type TestServer } from "../support/server.ts";

async function withDevices(ids: readonly string[], metrics = ["temperature"]): Promise<TestServer> {
  const server = await startServer();
  await add(server, ids, metrics);
  return server;
}

async function add(server: TestServer, ids: readonly string[], metrics = ["temperature"]): Promise<void> {
  await Promise.all(ids.map((id) => server.ingest.pushBatch({ registration: registration(id, { metrics }) })));
}

/** All pages of a list, one array per page. */
async function pages<T>(page: (pageToken: string) => Promise<{ entries: T[]; nextPageToken: string }>): Promise<T[][]> {
  const all: T[][] = [];
  let token = "";
  do {
    const { entries, nextPageToken } = await page(token);
    all.push(entries);
    token = nextPageToken;
  } while (token !== "");
  return all;
}

function deviceIds(server: TestServer, pageSize: number): Promise<string[][]> {
  return pages(async (pageToken) => {
    const { devices, nextPageToken } = await server.query.listDevices({ pageSize, pageToken });
    return { entries: devices.map(({ deviceId }) => deviceId), nextPageToken };
  });
}

function metricNames(server: TestServer, pageSize: number, selector = {}): Promise<string[][]> {
  return pages(async (pageToken) => {
    const { metrics, nextPageToken } = await server.query.listMetrics({ pageSize, pageToken, selector });
    return { entries: metrics.map(({ deviceId, name }) => `${deviceId}/${name}`), nextPageToken };
  });
}

describe("the list of devices", () => {
  it("is empty at first, and comes in pages by id", async () => {
    const server = await startServer();
    expect(await deviceIds(server, 2)).toEqual([[]]);
    await add(server, ["c", "a", "é", "B", "b"]);
    // By the bytes of the ids. A page that is full to the last entry has no empty page behind it.
    expect(await deviceIds(server, 2)).toEqual([["B", "a"], ["b", "c"], ["é"]]);
    expect(await deviceIds(server, 5)).toEqual([["B", "a", "b", "c", "é"]]);
  });

  it("shows how far each device has come as soon as that was acked, losses too", async () => {
    const server = await startServer();
    for (let sequence = 1; sequence <= 20; sequence += 1) {
      await push(server, "press", sequence, [1, Number.POSITIVE_INFINITY]);
      const { devices } = await server.query.listDevices({});
      expect(devices).toMatchObject([
        { ackedSequence: BigInt(sequence), samplesCounted: BigInt(sequence), samplesRefused: BigInt(sequence) },
      ]);
    }
    await server.ingest.pushBatch({
      registration: registration("press"),
      payload: { case: "gap", value: gap(21, 25, 500) },
    });
    const { devices } = await server.query.listDevices({});
    expect(devices).toMatchObject([{ ackedSequence: 25n, samplesLost: 500n, batchesLost: 5n }]);
  });

  it("neither repeats nor leaves out an entry when others are added between pages", async () => {
    const server = await withDevices(["b", "d", "f", "h"]);
    const first = await server.query.listDevices({ pageSize: 2 });
    expect(first.devices.map(({ deviceId }) => deviceId)).toEqual(["b", "d"]);
    await add(server, ["a", "c", "e", "i"]);
    const rest = await server.query.listDevices({ pageSize: 10, pageToken: first.nextPageToken });
    expect(rest.devices.map(({ deviceId }) => deviceId)).toEqual(["e", "f", "h", "i"]);
  });

  it("is that of the devices whose ids and labels are asked for, set labels over reported ones", async () => {
    const server = await startServer();
    for (const [deviceId, site] of [
      ["truck-1", "north"],
      ["truck-2", "south"],
      ["press", "north"],
    ]) {
      const device = { ...registration(String(deviceId)), labels: { site: String(site) } };
      await server.ingest.pushBatch({ registration: device });
    }
    await server.devices.createDevice({ deviceId: "truck-3", labels: { site: "north" } });
    await server.devices.updateDevice({ deviceId: "truck-2", labels: { site: "north" } });
    await server.devices.deleteDevice({ deviceId: "truck-1" });
    const f = async (filter: object, want: string[]) => {
      const { devices } = await server.query.listDevices(filter);
      expect(devices.map(({ deviceId }) => deviceId)).toEqual(want);
    };
    await f({}, ["press", "truck-2", "truck-3"]);
    await f({ deviceIdPrefixes: ["truck-"] }, ["truck-2", "truck-3"]);
    await f({ labels: { site: "north" } }, ["press", "truck-2", "truck-3"]);
    await f({ labels: { site: "south" } }, []);
    await f({ deviceIdPrefixes: ["p", "truck-3"], labels: { site: "north" } }, ["press", "truck-3"]);
    const empty = await failureOf(server.query.listDevices({ deviceIdPrefixes: [""] }));
    expect(empty).toMatchObject({ status: "INVALID_ARGUMENT", message: expect.stringContaining("device_id_prefixes") });
  });

  it("goes on behind an entry that was deleted between pages", async () => {
    const server = await withDevices(["a", "b", "c", "d"]);
    const { nextPageToken: pageToken } = await server.query.listDevices({ pageSize: 2 });
    await server.devices.deleteDevice({ deviceId: "b" });
    await server.devices.deleteDevice({ deviceId: "c" });
    const rest = await server.query.listDevices({ pageToken });
    expect(rest.devices.map(({ deviceId }) => deviceId)).toEqual(["d"]);
  });

  it("tells what is known of a device", async () => {
    const server = await startServer();
    await server.ingest.pushBatch({ registration: { ...registration("press"), labels: { site: "Köln" } } });
    const silent = (await server.query.listDevices({})).devices[0];
    expect(silent).toMatchObject({ deviceId: "press", labels: { site: "Köln" }, ackedSequence: 0n });
    expect(silent?.lastSeenAt).toBeUndefined();
    await push(server, "press", 1, [1, Number.POSITIVE_INFINITY, 3]);
    const [device] = (await server.query.listDevices({})).devices;
    expect(device).toMatchObject({ ackedSequence: 1n, samplesCounted: 2n, samplesRefused: 1n, samplesLost: 0n });
    expect(device?.createdAt).toEqual(silent?.createdAt);
    expect(device?.lastSeenAt).toBeDefined();
  });

  it("has pages of the default size when none is asked for, and refuses larger ones than the limit", async () => {
    const server = await withDevices(Array.from({ length: pageSizeDefault + 1 }, (_, i) => `device-${i}`));
    const sizes = (await deviceIds(server, 0)).map((page) => page.length);
    expect(sizes).toEqual([pageSizeDefault, 1]);
    expect((await deviceIds(server, pageSizeMax)).map((page) => page.length)).toEqual([pageSizeDefault + 1]);
    for (const list of ["listDevices", "listMetrics"] as const) {
      expect(await failureOf(server.query[list]({ pageSize: pageSizeMax + 1 }))).toMatchObject({
        status: "INVALID_ARGUMENT",
        message: expect.stringContaining(`page_size is ${pageSizeMax + 1}, the limit is ${pageSizeMax}`),
      });
    }
  });
});

describe("the list of metrics", () => {
  it("comes in pages by device and name", async () => {
    const server = await withDevices(["b", "a"], ["y", "x", "z"]);
    expect(await metricNames(server, 2)).toEqual([
      ["a/x", "a/y"],
      ["a/z", "b/x"],
      ["b/y", "b/z"],
    ]);
  });

  it("neither repeats nor leaves out an entry when others are added between pages", async () => {
    const server = await withDevices(["b"], ["m", "p"]);
    const first = await server.query.listMetrics({ pageSize: 1 });
    await server.ingest.pushBatch({ registration: registration("a") });
    await server.ingest.pushBatch({ registration: registration("b", { metrics: ["m", "p", "a", "n"] }) });
    const rest = await server.query.listMetrics({ pageToken: first.nextPageToken });
    expect(rest.metrics.map(({ deviceId, name }) => `${deviceId}/${name}`)).toEqual(["b/n", "b/p"]);
  });

  it("is that of the devices and metrics that are selected", async () => {
    const server = await withDevices(["a", "b", "c"], ["x", "y"]);
    const f = async (selector: object, want: string[]) =>
      expect((await metricNames(server, 0, selector))[0]).toEqual(want);
    await f({}, ["a/x", "a/y", "b/x", "b/y", "c/x", "c/y"]);
    await f({ deviceIds: ["c", "a"] }, ["a/x", "a/y", "c/x", "c/y"]);
    await f({ metricNames: ["y"] }, ["a/y", "b/y", "c/y"]);
    await f({ deviceIds: ["b"], metricNames: ["x", "q"] }, ["b/x"]);
    await f({ metricNames: ["q"] }, []);
    expect(await metricNames(server, 1, { deviceIds: ["a", "c"], metricNames: ["y"] })).toEqual([["a/y"], ["c/y"]]);
  });

  it("tells kind, unit and description, as they were registered last", async () => {
    const server = await startServer();
    const metric = { handle: 1, name: "energy", kind: MetricKind.COUNTER };
    const device = { deviceHandle: 1, deviceId: "press", spoolId: spool(1) };
    await server.ingest.pushBatch({ registration: { ...device, metrics: [{ ...metric, unit: "Wh" }] } });
    const changed = { ...metric, unit: "kWh", description: "Since it was built" };
    await server.ingest.pushBatch({ registration: { ...device, metrics: [changed] } });
    const { metrics } = await server.query.listMetrics({});
    expect(metrics).toMatchObject([
      { deviceId: "press", name: "energy", kind: MetricKind.COUNTER, unit: "kWh", description: "Since it was built" },
    ]);
  });

  it("names the devices that are not known", async () => {
    const server = await withDevices(["press"]);
    const error = await failureOf(server.query.listMetrics({ selector: { deviceIds: ["press", "pres", "lathe"] } }));
    expect(error).toMatchObject({ status: "NOT_FOUND", reason: "DEVICE_NOT_FOUND" });
    expect(error.message).toContain('no device "pres", "lathe"');
    expect(error.message).not.toContain('"press"');
  });
});

describe("a page token", () => {
  it("is refused when it is not one, or one of another list", async () => {
    const server = await withDevices(["a", "b"], ["x", "y"]);
    const ofDevices = (await server.query.listDevices({ pageSize: 1 })).nextPageToken;
    const ofMetrics = (await server.query.listMetrics({ pageSize: 1 })).nextPageToken;
    const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const refused = async (list: "listDevices" | "listMetrics", pageToken: string) => {
      expect(await failureOf(server.query[list]({ pageToken }))).toMatchObject({
        status: "INVALID_ARGUMENT",
        message: expect.stringMatching(/^page_token is .*send the next_page_token of this list$/),
      });
    };
    await refused("listMetrics", ofDevices);
    await refused("listDevices", ofMetrics);
    await refused("listDevices", ofDevices.slice(0, -4));
    await refused("listDevices", "a page, please");
    await refused("listDevices", "x".repeat(10_000));
    const [version, list, filter, after] = JSON.parse(Buffer.from(ofDevices, "base64url").toString()) as unknown[];
    expect([list, after]).toEqual(["devices", "a"]);
    await refused("listDevices", encode([1, "devices", "a"]));
    await refused("listDevices", encode([Number(version) + 1, "devices", filter, "a"]));
    await refused("listDevices", encode([version, "devices", filter, 7]));
    await refused("listDevices", encode([version, "metrics", filter, "a"]));
    await refused("listMetrics", encode([version, "metrics", filter, "a"]));
    await refused("listMetrics", encode([version, "devices", filter, "a", "x"]));
    await refused("listMetrics", encode(null));
  });

  it("is refused with another filter, and taken with the same one in other words", async () => {
    const server = await withDevices(["a-1", "a-2", "b-1", "b-2"], ["x", "y"]);
    const filter = { deviceIdPrefixes: ["a", "b"], labels: {} };
    const { nextPageToken: pageToken } = await server.query.listDevices({ ...filter, pageSize: 1 });
    const again = await server.query.listDevices({ deviceIdPrefixes: ["b", "a", "a"], pageSize: 2, pageToken });
    expect(again.devices.map(({ deviceId }) => deviceId)).toEqual(["a-2", "b-1"]);
    const another = {
      status: "INVALID_ARGUMENT",
      message: expect.stringMatching(/^page_token is of .*another filter/),
    };
    for (const other of [{}, { deviceIdPrefixes: ["a"] }, { ...filter, labels: { a: "b" } }]) {
      expect(await failureOf(server.query.listDevices({ ...other, pageToken }))).toMatchObject(another);
    }
    const ofLabels = (labels: Record<string, string>) => ({ selector: { labels } });
    await server.devices.updateDevice({ deviceId: "a-1", labels: { a: "b", b: "a" } });
    const first = await server.query.listMetrics({ ...ofLabels({ a: "b" }), pageSize: 1 });
    const swapped = server.query.listMetrics({ ...ofLabels({ b: "a" }), pageToken: first.nextPageToken });
    expect(await failureOf(swapped)).toMatchObject(another);
    const rest = await server.query.listMetrics({ ...ofLabels({ a: "b" }), pageToken: first.nextPageToken });
    expect(rest.metrics.map(({ name }) => name)).toEqual(["y"]);
  });
});
