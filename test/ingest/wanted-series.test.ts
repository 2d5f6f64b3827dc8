import { describe, expect, it } from "vitest";
import type { DeviceState } from "../../ingest/device-states.ts";
import { WantedSeriesIndex } from "../../ingest/wanted-series.ts";
import type { LiveFilter } from "../../lib/store/live-feed.ts";
import type { Selector } from "../../lib/store/selector.ts";
import type { Series } from "../../lib/store/store.ts";
import { all, device, series, session } from "../store/steps.ts";

const tiers = [{ widthMs: 10_000 }, { widthMs: 60_000 }];
const filter = (selector: Partial<Selector>, widthMs = 10_000): LiveFilter => ({
  selector: { ...all, ...selector },
  widthMs,
});

/** Counts how often its metrics are looked through. */
class Metrics extends Map<string, Series> {
  looks = 0;

  override values(): MapIterator<Series> {
    this.looks += 1;
    return super.values();
  }
}

function start(devices: number) {
  const left: string[] = [];
  const index = new WantedSeriesIndex(tiers, (id, tier) => left.push(`${id} ${tier}`));
  const states: (DeviceState & { seriesByName: Metrics })[] = Array.from({ length: devices }, (_, i) => ({
    device: device(i + 1, `d${i + 1}`),
    session: session(i + 1, i + 1),
    seriesByName: new Metrics([["m0", series(i + 1, i + 1, "m0")]]),
    superseded: new Set<string>(),
    calls: 1,
    heardMs: 0,
  }));
  const refresh = () => {
    for (const state of states) index.refresh(state);
  };
  const looks = () => states.reduce((sum, { seriesByName }) => sum + seriesByName.looks, 0);
  return { index, states, left, refresh, looks };
}

describe("the index of wanted series", () => {
  it("holds a device against the filters once, and again when one that may choose it comes or goes", () => {
    const { index, refresh, looks } = start(100);
    for (let id = 1; id <= 100; id += 1) index.add(id, filter({ deviceIds: [`d${id}`] }));
    for (let i = 0; i < 3; i += 1) refresh();
    expect(looks()).toBe(100);
    index.add(101, filter({ deviceIds: ["d7"] }, 60_000));
    refresh();
    expect(looks()).toBe(101);
    expect(index.get(7)?.tiers).toEqual([0, 1]);
    index.remove(50);
    index.sweep();
    expect([looks(), index.get(50)]).toEqual([102, undefined]);
    index.add(102, filter({ metricNames: ["m0"] }, 60_000));
    refresh();
    expect(looks()).toBe(202);
    expect(index.get(50)?.tiers).toEqual([1]);
  });

  it("tells which series are not wanted any more in which tier, and only those", () => {
    const { index, states, left, refresh } = start(2);
    index.add(1, filter({}));
    index.add(2, filter({ deviceIds: ["d1"] }, 60_000));
    index.add(3, filter({ deviceIds: ["d1"] }));
    refresh();
    index.remove(1);
    index.sweep();
    expect(left).toEqual(["2 0"]);
    index.remove(2);
    index.sweep();
    expect(left).toEqual(["2 0", "1 1"]);
    const [state] = states;
    index.remove(3);
    index.add(4, filter({ labels: { site: "north" } }));
    state.device.labels = { site: "north" };
    index.refresh(state);
    state.device.labels = { site: "south" };
    index.refresh(state);
    expect(left).toEqual(["2 0", "1 1", "1 0"]);
  });
});
