import { describe, expect, it } from "vitest";
import { defaultTiers } from "../../lib/aggregate/tiers.ts";
import { latenessMsDefault } from "../../lib/base/limits.ts";
import { batch } from "../support/batches.ts";
import { diskFull, FailingStore } from "../support/failing-store.ts";
import { IngestHarness } from "../support/ingest.ts";

const request = (deviceId: string, labels = {}) => ({ deviceId, labels, description: "" });

function watched(store?: FailingStore): IngestHarness {
  const ingest = new IngestHarness(store);
  ingest.events.watch(true);
  return ingest;
}

/** What was gathered, as `kind device`. */
const told = (ingest: IngestHarness) => ingest.events.take().map(({ kind, deviceId }) => `${kind} ${deviceId}`);

describe("the events of devices", () => {
  it("tell that one appears, connects and is gone, each once", () => {
    const ingest = watched();
    const call = ingest.connect("press");
    expect(told(ingest)).toEqual(["appeared press", "connected press"]);
    call.batches(batch(1, [1]));
    ingest.flush();
    expect(told(ingest)).toEqual([]);
    call.halfClose();
    ingest.flush();
    expect(told(ingest)).toEqual(["disconnected press"]);
    ingest.connect("press");
    expect(told(ingest)).toEqual(["connected press"]);
  });

  it("tell nothing of a push: its call is over when it is answered", () => {
    const ingest = watched();
    ingest.open("push").push("press", { batch: batch(1, [1]) });
    ingest.flush();
    expect(told(ingest)).toEqual(["appeared press"]);
  });

  it("tell that one is silent after the lateness, and speaks again", () => {
    const ingest = watched();
    const call = ingest.connect("press");
    told(ingest);
    const pass = (ms: number) => {
      ingest.elapsedMs += ms;
      ingest.events.tick();
    };
    pass(latenessMsDefault);
    expect(told(ingest)).toEqual([]);
    pass(1);
    expect(told(ingest)).toEqual(["silent press"]);
    pass(latenessMsDefault);
    expect(told(ingest)).toEqual([]);
    // A batch that was sent before counts as heard, too.
    call.batches(batch(1, [1]), batch(1, [1]));
    ingest.flush();
    pass(0);
    expect(told(ingest)).toEqual(["connected press"]);
  });

  it("tell what the registry changes, with the labels of then", () => {
    const ingest = watched();
    ingest.registry.create(request("press", { site: "north" }));
    ingest.registry.update(request("press", { site: "north" }), ["labels"]);
    ingest.registry.update(request("press", { site: "south" }), ["labels"]);
    ingest.connect("press", { labels: { model: "x200" } });
    ingest.connect("press", { labels: { model: "x300" } });
    ingest.registry.delete("press", true);
    expect(ingest.events.take().map(({ kind, labels }) => [kind, labels])).toEqual([
      ["created", { site: "north" }],
      ["updated", { site: "south" }],
      ["appeared", { model: "x200", site: "south" }],
      ["updated", { model: "x300", site: "south" }],
      ["deleted", { model: "x300", site: "south" }],
    ]);
  });

  it("tell that a newer spool has taken over, not that the first one has", () => {
    const ingest = watched();
    ingest.registry.create(request("press"));
    ingest.connect("press", { spool: 1 });
    expect(told(ingest)).toEqual(["created press", "appeared press", "connected press"]);
    ingest.connect("press", { spool: 2 });
    expect(told(ingest)).toEqual(["superseded press"]);
  });

  it("tell nothing of what could not be stored", () => {
    const store = new FailingStore(defaultTiers);
    const ingest = watched(store);
    store.failure = diskFull();
    ingest.connect("press");
    expect(() => ingest.registry.create(request("lathe"))).toThrow("disk is full");
    expect(told(ingest)).toEqual([]);
    store.failure = undefined;
    ingest.connect("press");
    expect(told(ingest)).toEqual(["appeared press", "connected press"]);
  });

  it("are gathered only while somebody watches, who knows what was before", () => {
    const ingest = new IngestHarness();
    const call = ingest.connect("press");
    expect(told(ingest)).toEqual([]);
    ingest.events.watch(true);
    ingest.connect("lathe");
    expect(told(ingest)).toEqual(["appeared lathe", "connected lathe"]);
    ingest.events.watch(false);
    call.halfClose();
    ingest.flush();
    expect(told(ingest)).toEqual([]);
    ingest.events.watch(true);
    expect(told(ingest)).toEqual([]);
  });

  it("of very many devices that connect at once take no longer each than those of a few", () => {
    const ingest = watched();
    const call = ingest.open();
    const devices = 10_000;
    for (let i = 1; i <= devices; i += 1) call.register(`device-${i}`, { handle: i, metrics: [] });
    const startMs = performance.now();
    ingest.flush();
    expect(ingest.events.take()).toHaveLength(2 * devices);
    // A second or two with the model in memory; minutes when each looked through the others.
    expect(performance.now() - startMs).toBeLessThan(20_000);
  });
});
