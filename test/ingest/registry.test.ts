import { describe, expect, it } from "vitest";
import { defaultTiers } from "../../lib/aggregate/tiers.ts";
import { deviceDescriptionBytesMax, labelsMax } from "../../lib/base/limits.ts";
import { RejectReason } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { batch } from "../support/batches.ts";
import { diskFull, FailingStore, ioFailure } from "../support/failing-store.ts";
import { IngestHarness } from "../support/ingest.ts";

const request = (deviceId: string, labels: Record<string, string> = {}, description = "") => ({
  deviceId,
  labels,
  description,
});

function thrown(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error("it was taken");
}

describe("a device that is created ahead of its first data", () => {
  it("is there with its labels, and has not registered yet", () => {
    const ingest = new IngestHarness();
    ingest.registry.create(request("press", { site: "north" }, "by the gate"));
    expect(ingest.storedDevice("press")).toMatchObject({
      labels: { site: "north" },
      setLabels: { site: "north" },
      description: "by the gate",
      createdAtMs: ingest.nowMs,
      spoolId: "",
      ackedSequence: 0,
      lastSeenAtMs: undefined,
    });
  });

  it("is begun by its first spool, which supersedes nobody", () => {
    const ingest = new IngestHarness();
    ingest.registry.create(request("press", { site: "north" }));
    const call = ingest.open();
    call.register("press", { spool: 1, labels: { site: "south", model: "x200" } });
    call.batches(batch(1, [1]));
    ingest.flush();
    expect(call.take()).toMatchObject({ rejects: [], acks: [{ ackedSequence: 1n }] });
    expect(ingest.device("press")).toMatchObject({ labels: { site: "north", model: "x200" }, ackedSequence: 1 });
    expect(ingest.store.deviceDetail("press", [])?.sessions).toBe(1);
    const restarted = new IngestHarness(ingest.store);
    const second = restarted.open();
    second.register("press", { spool: 2 });
    restarted.flush();
    expect(second.take()).toMatchObject({ registered: [{ ackedSequence: 0n }], rejects: [] });
  });

  it("is as it was before when the group that begins it finds the disk full", () => {
    const store = new FailingStore(defaultTiers);
    const ingest = new IngestHarness(store);
    ingest.registry.create(request("press"));
    const { device, session } = store.findDevice("press") ?? {};
    store.failure = diskFull();
    ingest.connect("press", { labels: { site: "south" } });
    expect(ingest.sessions.find("press")).toMatchObject({ device, session });
    store.failure = undefined;
    expect(ingest.connect("press").take().registered).toMatchObject([{ ackedSequence: 0n }]);
  });

  it("is refused when it is there, with the remedy, and when a field is not valid", () => {
    const ingest = new IngestHarness();
    ingest.connect("press");
    ingest.registry.create(request("lathe"));
    const f = (of: ReturnType<typeof request>, want: object) =>
      expect(thrown(() => ingest.registry.create(of))).toMatchObject(want);
    for (const id of ["press", "lathe"]) {
      const message = `device_id: device "${id}" is there already; UpdateDevice changes its labels and description`;
      f(request(id), { status: "ALREADY_EXISTS", reason: "DEVICE_EXISTS", message });
    }
    f(request(""), { status: "INVALID_ARGUMENT", field: "device_id" });
    f(request("a\u0007"), { status: "INVALID_ARGUMENT", field: "device_id" });
    f(request("x", { "": "1" }), { status: "INVALID_ARGUMENT", field: "labels key" });
    f(request("x", { a: "\n" }), { status: "INVALID_ARGUMENT", field: 'labels["a"]' });
    const many = Object.fromEntries(Array.from({ length: labelsMax + 1 }, (_, i) => [`l${i}`, ""]));
    f(request("x", many), { status: "INVALID_ARGUMENT", field: "labels" });
    f(request("x", {}, "é".repeat(deviceDescriptionBytesMax)), { status: "INVALID_ARGUMENT", field: "description" });
    expect(ingest.storedDevice("x")).toBeUndefined();
  });
});

describe("an update", () => {
  function withDevice() {
    const ingest = new IngestHarness();
    ingest.connect("press", { labels: { site: "north", model: "x200" } });
    ingest.registry.update(request("press", { owner: "ann", "a.b": "1" }, "old"), []);
    return ingest;
  }

  it("changes what its mask names, and nothing else", () => {
    const f = (paths: string[], want: { setLabels: object; description: string }) => {
      const ingest = withDevice();
      ingest.registry.update(request("press", { site: "south", "a.b": "2" }, "new"), paths);
      expect(ingest.storedDevice("press")).toMatchObject(want);
      expect(ingest.storedDevice("press")?.labels).toEqual({ site: "north", model: "x200", ...want.setLabels });
      expect(ingest.sessions.find("press")?.device).toMatchObject(want);
    };
    f([], { setLabels: { site: "south", "a.b": "2" }, description: "new" });
    f(["labels"], { setLabels: { site: "south", "a.b": "2" }, description: "old" });
    f(["description"], { setLabels: { owner: "ann", "a.b": "1" }, description: "new" });
    f(["labels.site"], { setLabels: { owner: "ann", "a.b": "1", site: "south" }, description: "old" });
    f(["labels.a.b", "labels.owner"], { setLabels: { "a.b": "2" }, description: "old" });
  });

  it("shows a reported label again when the one that was set over it is taken away", () => {
    const ingest = withDevice();
    ingest.registry.update(request("press", { site: "south" }), ["labels.site"]);
    ingest.registry.update(request("press"), ["labels.site"]);
    expect(ingest.storedDevice("press")?.labels).toEqual({ site: "north", model: "x200", owner: "ann", "a.b": "1" });
  });

  it("stays when the device registers again with other labels, and through a restart", () => {
    const ingest = withDevice();
    ingest.connect("press", { labels: { site: "east", owner: "bob" } });
    const restarted = new IngestHarness(ingest.store);
    expect(restarted.storedDevice("press")?.labels).toEqual({ site: "east", owner: "ann", "a.b": "1" });
    expect(restarted.sessions.find("press")?.device.labels).toEqual({ site: "east", owner: "ann", "a.b": "1" });
  });

  it("is refused by name when it is of no device, or not valid", () => {
    const ingest = withDevice();
    const f = (run: () => void, want: object) => expect(thrown(run)).toMatchObject(want);
    f(() => ingest.registry.update(request("nobody"), []), { status: "NOT_FOUND", reason: "DEVICE_NOT_FOUND" });
    for (const path of ["label", "labels.", "deviceId", ""]) {
      f(() => ingest.registry.update(request("press"), ["labels", path]), {
        status: "INVALID_ARGUMENT",
        field: "update_mask.paths[1]",
      });
    }
    const many = Object.fromEntries(Array.from({ length: labelsMax }, (_, i) => [`l${i}`, ""]));
    const paths = Object.keys(many).map((key) => `labels.${key}`);
    f(() => ingest.registry.update(request("press", many), paths), { status: "INVALID_ARGUMENT", field: "labels" });
    expect(ingest.storedDevice("press")?.setLabels).toEqual({ owner: "ann", "a.b": "1" });
  });
});

describe("a change of the registry that finds the disk full", () => {
  it("is refused with when to come again, and leaves no trace", () => {
    const store = new FailingStore(defaultTiers);
    const ingest = new IngestHarness(store, { seriesPerPrincipalMax: 1 });
    const call = ingest.connect("press");
    call.batches(batch(1, [1]));
    ingest.flush();
    store.failure = diskFull();
    const { registry } = ingest;
    for (const change of [
      () => registry.create(request("lathe")),
      () => registry.update(request("press", { site: "north" }), []),
      () => registry.delete("press", true),
    ]) {
      expect(thrown(change)).toMatchObject({ status: "RESOURCE_EXHAUSTED", reason: "DISK_FULL" });
    }
    store.failure = undefined;
    expect(ingest.sessions.find("lathe")).toBeUndefined();
    expect(ingest.sessions.find("press")?.device).toMatchObject({ labels: {}, deletedAtMs: undefined });
    expect(ingest.sessions.seriesCount).toBe(1);
    call.take();
    call.batches(batch(2, [2]));
    ingest.flush();
    expect(call.take()).toMatchObject({ rejects: [], acks: [{ ackedSequence: 2n }] });
    expect(ingest.total("press")).toEqual({ count: 2, sum: 3 });
  });

  it("ends the process when the disk itself fails: memory and disk may differ", () => {
    const store = new FailingStore(defaultTiers);
    const ingest = new IngestHarness(store);
    ingest.connect("press");
    store.failure = ioFailure();
    expect(thrown(() => ingest.registry.delete("press", true))).toBe(store.failure);
    expect(ingest.failures).toEqual([store.failure]);
  });
});

describe("a delete of a device that is connected", () => {
  it("is refused, with the remedy, until its calls have ended", () => {
    const ingest = new IngestHarness();
    const call = ingest.connect("press");
    const error = thrown(() => ingest.registry.delete("press", false));
    expect(error).toMatchObject({ status: "FAILED_PRECONDITION", reason: "DEVICE_CONNECTED" });
    expect(error).toMatchObject({ message: expect.stringContaining("or set force") });
    call.halfClose();
    ingest.flush();
    ingest.registry.delete("press", false);
    expect(ingest.storedDevice("press")).toBeUndefined();
    expect(thrown(() => ingest.registry.delete("press", true))).toMatchObject({ status: "NOT_FOUND" });
  });

  it("tells its calls when it is forced, and its neighbours go on", () => {
    const ingest = new IngestHarness();
    const call = ingest.connect("press");
    call.register("lathe", { handle: 2 });
    ingest.flush();
    call.take();
    ingest.registry.delete("press", true);
    call.batches(batch(1, [1]), batch(1, [5], { handle: 2 }));
    ingest.flush();
    expect(call.take()).toMatchObject({
      end: undefined,
      acks: [{ deviceHandle: 2, ackedSequence: 1n }],
      rejects: [{ deviceHandle: 1, reason: RejectReason.DEVICE_DELETED }],
    });
  });
});
