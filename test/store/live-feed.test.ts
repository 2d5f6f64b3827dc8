import { describe, expect, it } from "vitest";
import { LiveFeed, type LiveFilter, type LiveListener, type LiveSource } from "../../lib/store/live-feed.ts";
import type { Selector } from "../../lib/store/selector.ts";
import { matches } from "../../lib/store/selector.ts";
import type { SeriesRow } from "../../lib/store/store.ts";
import { updateOf } from "../support/live-update.ts";
import { all, series } from "./steps.ts";

/** A writer that does nothing, and what it was asked. */
class Source implements LiveSource {
  readonly asked: string[] = [];
  knows = Promise.resolve();

  async watch(id: number, { widthMs }: LiveFilter): Promise<number> {
    this.asked.push(`watch ${id} ${widthMs}`);
    await this.knows;
    return 7;
  }

  async unwatch(id: number): Promise<void> {
    this.asked.push(`unwatch ${id}`);
  }

  async follow(): Promise<void> {}
}

const row = (id: number, deviceId: string, labels: SeriesRow["labels"] = {}): SeriesRow => ({
  ...series(id, id, "m0"),
  deviceId,
  labels,
});

function listener(name: string, seen: string[]): LiveListener {
  return {
    onWindow: (windows, at) => seen.push(`${name} ${windows.series[at]}`),
    onUpdate: () => {},
    onUnselected: (id) => seen.push(`${name} not ${id}`),
  };
}

describe("LiveFeed", () => {
  it("tells everyone which series are deleted, and forgets them", async () => {
    const feed = new LiveFeed(new Source());
    const seen: string[] = [];
    await feed.subscribe({ selector: all, widthMs: 10_000 }, listener("first", seen));
    await feed.subscribe({ selector: all, widthMs: 60_000 }, listener("second", seen));
    feed.publish({ revision: 1, timeMs: 1, changes: [], provisionalFromMs: [], gone: [5, 6] });
    expect(seen).toEqual(["first not 5", "second not 5", "first not 6", "second not 6"]);
    expect(feed.seriesOf(5)).toBeUndefined();
    expect(feed.latest).toMatchObject({ revision: 1, gone: [] });
  });

  it("hands each window to the subscribers of its tier that select it, until they end", async () => {
    const feed = new LiveFeed(new Source());
    const seen: string[] = [];
    const subscribe = (name: string, widthMs: number, selector: Selector = all) =>
      feed.subscribe({ selector, widthMs }, listener(name, seen));
    const first = await subscribe("first", 10_000);
    await subscribe("pump", 10_000, { ...all, deviceIds: ["pump", "other"] });
    await subscribe("prefix", 10_000, { ...all, deviceIds: ["other"], deviceIdPrefixes: ["fa"] });
    await subscribe("metric", 10_000, { ...all, metricNames: ["m1"] });
    await subscribe("minutes", 60_000);
    const rows = [row(1, "pump"), row(2, "fan")];
    const took = (...names: string[]) => expect(seen.splice(0).sort()).toEqual(names);
    feed.publish(updateOf(1, 10_000, rows));
    took("first 1", "first 2", "prefix 2", "pump 1");
    feed.publish(updateOf(2, 60_000, [row(1, "pump")]));
    took("minutes 1");
    first.end();
    feed.publish(updateOf(3, 10_000, rows));
    took("prefix 2", "pump 1");
    await subscribe("late", 10_000, { ...all, deviceIds: ["fan"] });
    feed.publish(updateOf(4, 10_000, rows));
    took("late 2", "prefix 2", "pump 1");
  });

  it("follows the labels of a device, and tells who selects it no more", async () => {
    const feed = new LiveFeed(new Source());
    const seen: string[] = [];
    await feed.subscribe({ selector: { ...all, labels: { site: "north" } }, widthMs: 1 }, listener("north", seen));
    for (const site of ["south", "north", "north", "south", "south"]) {
      feed.publish(updateOf(1, 1, [row(1, "pump", { site })]));
    }
    expect(seen).toEqual(["north 1", "north 1", "north not 1"]);
  });

  it("tells the writer of each who comes and goes", async () => {
    const source = new Source();
    const feed = new LiveFeed(source);
    const first = await feed.subscribe({ selector: all, widthMs: 1 }, listener("", []));
    await feed.subscribe({ selector: all, widthMs: 2 }, listener("", []));
    first.end();
    expect(source.asked).toEqual(["watch 1 1", "watch 2 2", "unwatch 1"]);
  });

  it("has subscribed only when the writer knows, and from the commit that it says", async () => {
    const source = new Source();
    const knows = Promise.withResolvers<void>();
    source.knows = knows.promise;
    const feed = new LiveFeed(source);
    let revision = 0;
    const subscribing = feed.subscribe({ selector: all, widthMs: 1 }, listener("", [])).then((subscribed) => {
      ({ revision } = subscribed);
    });
    await Promise.resolve();
    expect(revision).toBe(0);
    knows.resolve();
    await subscribing;
    expect(revision).toBe(7);
  });

  it("remembers the series of published windows, and how far the updates are", () => {
    const feed = new LiveFeed(new Source());
    expect(feed.seriesOf(1)).toBeUndefined();
    feed.publish(updateOf(1, 10_000, [row(1, "pump")]));
    feed.publish({ ...updateOf(2, 10_000, []), timeMs: 5 });
    expect(feed.seriesOf(1)).toMatchObject({ deviceId: "pump", name: "m0" });
    expect(feed).toMatchObject({ latest: { revision: 2, timeMs: 5 }, updates: 2 });
  });
});

describe("matches", () => {
  it("chooses by device and by metric, and all where nothing is said", () => {
    function f(deviceIds: Selector["deviceIds"], metricNames: Selector["metricNames"], want: boolean): void {
      expect(matches({ deviceIds, metricNames }, { deviceId: "pump", name: "m0", labels: {} })).toBe(want);
    }
    f(undefined, undefined, true);
    f(["fan", "pump"], undefined, true);
    f(["fan"], undefined, false);
    f(undefined, ["m0"], true);
    f(["pump"], ["m1"], false);
    f(["fan"], ["m0"], false);
    f([], undefined, false);
  });
});
