import { describe, expect, it } from "vitest";
import { LiveFeed, type LiveFilter } from "../../lib/store/live-feed.ts";
import type { Selector } from "../../lib/store/selector.ts";
import { matches } from "../../lib/store/selector.ts";
import type { WindowChanges } from "../../lib/store/store.ts";
import { windowSet } from "../aggregate/plain-windows.ts";
import { all, series } from "./steps.ts";

function changes(revision: number, widthMs: number): WindowChanges {
  const { table } = windowSet([widthMs], [{ series: 1, timeMs: 0, value: 1 }]).tiers[0];
  return { revision, widthMs, windows: table, series: [{ ...series(1, 1, "m0"), deviceId: "pump", labels: {} }] };
}

describe("LiveFeed", () => {
  it("hands changes to every subscriber of their tier, until it ends", async () => {
    const feed = new LiveFeed(async () => {});
    const seen: string[] = [];
    const subscribe = (name: string, widthMs: number) =>
      feed.subscribe({ selector: all, widthMs }, ({ revision }) => seen.push(`${name} ${revision}`));
    const endFirst = await subscribe("first", 10_000);
    await subscribe("second", 10_000);
    await subscribe("minutes", 60_000);
    feed.publish(changes(1, 10_000));
    feed.publish(changes(2, 60_000));
    endFirst();
    feed.publish(changes(3, 10_000));
    expect(seen).toEqual(["first 1", "second 1", "minutes 2", "second 3"]);
  });

  it("tells what all subscribers together want, whenever that changes", async () => {
    const told: number[][] = [];
    const feed = new LiveFeed(async (filters) => void told.push(filters.map((filter) => filter.widthMs)));
    const filter = (widthMs: number): LiveFilter => ({ selector: all, widthMs });
    const end = await feed.subscribe(filter(1), () => {});
    await feed.subscribe(filter(2), () => {});
    end();
    expect(told).toEqual([[1], [1, 2], [2]]);
  });

  it("has subscribed only when the writer knows", async () => {
    const knows = Promise.withResolvers<void>();
    const feed = new LiveFeed(() => knows.promise);
    let subscribed = false;
    const subscribing = feed.subscribe({ selector: all, widthMs: 1 }, () => {}).then(() => (subscribed = true));
    await Promise.resolve();
    expect(subscribed).toBe(false);
    knows.resolve();
    await subscribing;
  });

  it("remembers the series of published windows", () => {
    const feed = new LiveFeed(async () => {});
    expect(feed.seriesOf(1)).toBeUndefined();
    feed.publish(changes(1, 10_000));
    feed.publish({ ...changes(2, 10_000), series: [] });
    expect(feed.seriesOf(1)).toMatchObject({ deviceId: "pump", name: "m0" });
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
