import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bandNames,
  formatUrl,
  labelsOf,
  pageNames,
  readUrl,
  type UrlState,
  urlStateDefault,
  zoneNames,
} from "../../../query/dashboard/src/state/url-state.ts";

const nowMs = Date.UTC(2026, 0, 31, 12);
const name = fc.string({ minLength: 1, maxLength: 20 }).filter((text) => text.isWellFormed());
const label = name.filter((text) => !text.includes("="));
const states: fc.Arbitrary<UrlState> = fc.record({
  page: fc.constantFrom(...pageNames),
  deviceId: name,
  search: name,
  where: fc.array(fc.constantFrom("site=north", "model=a=b", "x="), { maxLength: 3 }),
  range: fc.constantFrom({ from: "now-5m", to: "now" }, { from: "2026-01-01T00:00:00Z", to: "2026-01-02T00:00:00Z" }),
  tier: fc.constantFrom("", "10s", "1h30m"),
  picks: fc.array(fc.record({ deviceId: name, metric: name }), { maxLength: 10 }),
  groupBy: fc.array(label, { maxLength: 3 }),
  band: fc.constantFrom(...bandNames),
  thresholds: fc.array(
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
    { maxLength: 4 },
  ),
  zone: fc.constantFrom(...zoneNames),
  split: fc.boolean(),
});

describe("the address", () => {
  it("brings back all that was shown", () => {
    fc.assert(
      fc.property(states, (state) => {
        expect(readUrl(formatUrl(state), nowMs)).toEqual({ state, ignored: [] });
      }),
    );
  });

  it("is read whatever it is, and what it gives can be shared again", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
        const { state } = readUrl(`#/explorer?${text}`, nowMs);
        expect(readUrl(formatUrl(state), nowMs).state).toEqual(state);
      }),
    );
  });

  it("is short while all is usual", () => {
    expect(formatUrl(urlStateDefault)).toBe("#/overview");
    expect(readUrl("", nowMs)).toEqual({ state: urlStateDefault, ignored: [] });
  });

  it.each<[string, string]>([
    ["#/nowhere", "page"],
    ["#/explorer?from=never", "from, to"],
    ["#/explorer?from=now&to=now-1h", "from, to"],
    ["#/explorer?tier=0s", "tier"],
    ["#/explorer?tier=soon", "tier"],
    ["#/explorer?pick=a", "pick"],
    ["#/explorer?pick=a/b/c", "pick"],
    ["#/explorer?pick=%25zz/m", "pick"],
    [`#/explorer?${"pick=a/b&".repeat(65)}`, "pick"],
    ["#/explorer?band=all", "band"],
    ["#/explorer?threshold=high", "threshold"],
    ["#/explorer?threshold=Infinity", "threshold"],
    ["#/explorer?zone=mars", "zone"],
    ["#/explorer?where=north", "where"],
    [`#/devices?search=${"x".repeat(257)}`, "search"],
  ])("%s leaves that at its default, and says so", (hash, ignored) => {
    expect(readUrl(hash, nowMs).ignored).toEqual([ignored]);
  });

  it("that is too long is not read at all", () => {
    const { state, ignored } = readUrl(`#/explorer?search=${"x".repeat(20_000)}`, nowMs);
    expect(state).toEqual(urlStateDefault);
    expect(ignored).toHaveLength(1);
  });

  it("of a device page without a device is that of all devices", () => {
    expect(readUrl("#/device", nowMs).state.page).toBe("devices");
  });

  it("has labels with = in their values", () => {
    expect(labelsOf(["site=north", "model=a=b", "x="])).toEqual({ site: "north", model: "a=b", x: "" });
  });
});
