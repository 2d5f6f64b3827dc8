import { expect, it } from "vitest";
import type { Selector } from "../../../lib/store/selector.ts";
import type { SeriesPosition } from "../../../lib/store/store.ts";
import { all, deviceStep, series, step, tiers } from "../steps.ts";
import type { Open } from "../store-contract.ts";

export function catalogPagesContract(open: Open): void {
  it("lists devices by id in the order of its bytes", () => {
    const { store, reader } = open(tiers);
    const ids = ["b", "a", "B", "a1", "10", "9", "é", "\u{ffee}", "\u{1f600}"];
    for (const [i, id] of ids.entries()) store.append(undefined, deviceStep(i + 1, id, []));
    const sorted = ["10", "9", "B", "a", "a1", "b", "é", "\u{ffee}", "\u{1f600}"];
    expect(reader.devices("", 100).map((row) => row.deviceId)).toEqual(sorted);
  });

  it("pages through devices, each once, whatever comes between the pages", () => {
    const { store, reader } = open(tiers);
    for (const [i, id] of ["d", "b", "f", "h"].entries()) store.append(undefined, deviceStep(i + 1, id, []));
    const page = (after: string) => reader.devices(after, 2).map((row) => row.deviceId);
    expect(page("")).toEqual(["b", "d"]);
    for (const [i, id] of ["a", "e", "d2"].entries()) store.append(undefined, deviceStep(i + 10, id, []));
    expect(page("d")).toEqual(["d2", "e"]);
    expect(page("e")).toEqual(["f", "h"]);
    expect(page("h")).toEqual([]);
    expect(page("c")).toEqual(["d", "d2"]);
  });

  it("pages through series, each once, whatever comes between the pages", () => {
    const { store, reader } = open(tiers);
    store.append(undefined, deviceStep(1, "b", [1, 2, 3]));
    store.append(undefined, deviceStep(2, "a", [4, 5]));
    const page = (after: SeriesPosition | undefined) =>
      reader.series(all, after, 3).map((row) => `${row.deviceId} ${row.name}`);
    expect(page(undefined)).toEqual(["a m0", "a m1", "b m0"]);
    store.append(undefined, step({ series: [series(6, 1, "m00"), series(7, 2, "m9")] }));
    expect(page({ deviceId: "b", name: "m0" })).toEqual(["b m00", "b m1", "b m2"]);
    expect(page({ deviceId: "a", name: "m1" })).toEqual(["a m9", "b m0", "b m00"]);
    expect(page({ deviceId: "b", name: "m2" })).toEqual([]);
  });

  it("selects series by device, by metric, by both", () => {
    const { store, reader } = open(tiers);
    store.append(undefined, deviceStep(1, "a", [1, 2]));
    store.append(undefined, deviceStep(2, "b", [3, 4]));
    function f(deviceIds: Selector["deviceIds"], metricNames: Selector["metricNames"], want: readonly number[]): void {
      const ids = reader.series({ deviceIds, metricNames }, undefined, 10).map((row) => row.id);
      expect(ids, JSON.stringify({ deviceIds, metricNames })).toEqual(want);
    }
    f(undefined, undefined, [1, 2, 3, 4]);
    f(["b"], undefined, [3, 4]);
    f(["b", "a", "b"], undefined, [1, 2, 3, 4]);
    f(undefined, ["m1"], [2, 4]);
    f(["a"], ["m1"], [2]);
    f(["c"], undefined, []);
    f(undefined, ["M1"], []);
    f([], undefined, []);
    f(undefined, [], []);
  });
}
