import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { frameWindowsMax, groupsMax, latenessMsDefault } from "../../lib/base/limits.ts";
import type { Window } from "../../lib/wire/window-frame.ts";
import { type AskOptions, ask, askPages } from "../support/answer.ts";
import { dayMs } from "../support/batches.ts";
import { oracleIncreases } from "../support/increases.ts";
import { inTime, type OracleSample, oracleQuantile, oracleWindows } from "../support/oracle.ts";
import { counter, gauge, Sender, type TimedValue } from "../support/sender.ts";

const widthsMs = [10_000, 60_000, 300_000];
const quantiles = [0.99, 0, 0.5, 1];
const metrics = [gauge, counter] as const;

/** Values 1 s apart. */
function seconds(fromMs: number, ...values: number[]): TimedValue[] {
  return values.map((value, i) => ({ timeMs: dayMs + fromMs + i * 1_000, value }));
}

/** The group of a device, as a name. */
const nameOf = (groupBy: readonly string[], labels: Readonly<Record<string, string>>) =>
  JSON.stringify(groupBy.map((label) => labels[label] ?? ""));

/** What a query must tell, by group (or device), metric and start. */
function expected({ devices, samples }: Sender, { widthMs = 10_000, groupBy = [], fromMs = 0, toMs = 0 }: AskOptions) {
  const firstMs = Math.floor(fromMs / widthMs) * widthMs;
  const inRange = ({ startMs }: { startMs: number }) => startMs >= firstMs && startMs < toMs;
  const name = (device: string) => (groupBy.length === 0 ? device : nameOf(groupBy, devices.get(device)?.labels ?? {}));
  const increases = Map.groupBy(oracleIncreases(samples, widthMs, firstMs), ({ device, metric, startMs }) =>
    JSON.stringify([name(device), metric, startMs]),
  );
  const merged = samples.map((sample): OracleSample => ({ ...sample, device: name(sample.device) }));
  return oracleWindows(merged, [widthMs])
    .filter(inRange)
    .map((window) => {
      const key = JSON.stringify([window.device, window.metric, window.startMs]);
      const of = window.metric === counter ? (increases.get(key) ?? []) : [];
      const increase = of.reduce((sum, each) => sum + each.increase, 0);
      const durationMs = Math.max(...of.map(({ toMs }) => toMs)) - Math.min(...of.map(({ fromMs }) => fromMs));
      return { ...window, increase: of.length === 0 ? Number.NaN : increase, durationMs: of.length && durationMs };
    });
}

function plain(windows: readonly Window[], groupBy: readonly string[] = []) {
  return windows
    .map((window) => {
      const { metric, startMs, count, sum, min, max, first, last, increase, increaseDurationMs } = window;
      const device = groupBy.length === 0 ? window.deviceId : nameOf(groupBy, window.group);
      return { device, metric, startMs, count, sum, min, max, first, last, increase, durationMs: increaseDurationMs };
    })
    .sort(bySeriesAndStart);
}

function bySeriesAndStart(
  a: { device: string; metric: string; startMs: number },
  b: { device: string; metric: string; startMs: number },
): number {
  const [one, other] = [`${a.device} ${a.metric}`, `${b.device} ${b.metric}`];
  return one < other ? -1 : one > other ? 1 : a.startMs - b.startMs;
}

/** Holds an answer against the oracle, value by value. */
function check(sender: Sender, options: AskOptions): void {
  const { groupBy = [] } = options;
  const windows = ask(sender, options);
  const want = expected(sender, options).sort(bySeriesAndStart);
  expect(plain(windows, groupBy)).toEqual(
    want.map(({ device, metric, startMs, count, sum, min, max, first, last, increase, durationMs }) => {
      return { device, metric, startMs, count, sum, min, max, first, last, increase, durationMs };
    }),
  );
  const byKey = new Map(want.map((each) => [JSON.stringify([each.device, each.metric, each.startMs]), each]));
  for (const window of windows) {
    const device = groupBy.length === 0 ? window.deviceId : nameOf(groupBy, window.group);
    const of = byKey.get(JSON.stringify([device, window.metric, window.startMs]));
    if (of === undefined) throw new Error("there is a window for each");
    expect(Math.abs(window.deviation - of.deviation)).toBeLessThan(1e-9 * Math.max(1, of.deviation));
    for (const [i, q] of (options.quantiles ?? []).entries()) {
      const exact = oracleQuantile(of, q);
      expect(Math.abs(window.quantiles[i] - exact)).toBeLessThanOrEqual(0.01 * Math.abs(exact));
      expect(window.quantiles[i]).toBeGreaterThanOrEqual(of.min);
      expect(window.quantiles[i]).toBeLessThanOrEqual(of.max);
    }
  }
}

const anyLabels = fc.record(
  { site: fc.constantFrom("north", "south", ""), model: fc.constantFrom("x100", "x200") },
  { requiredKeys: [] },
);

/** Times within ten minutes, some of them equal. */
const anySamples = (value: fc.Arbitrary<number>) =>
  fc.array(fc.record({ timeMs: fc.integer({ min: 0, max: 600 }).map((s) => dayMs + s * 1_000), value }), {
    maxLength: 40,
  });

const anyDevice = fc.record({
  labels: anyLabels,
  gauges: anySamples(fc.oneof(fc.integer({ min: -9, max: 9 }), fc.integer({ min: -1_000_000, max: 1_000_000 }))),
  // Falls are resets.
  counts: anySamples(fc.oneof(fc.nat(5), fc.nat(1_000))).map(inTime),
});

const anyQuestion = fc.record({
  widthMs: fc.constantFrom(...widthsMs),
  groupBy: fc.subarray(["model", "site", "floor"]),
  fromMs: fc.integer({ min: -60, max: 500 }).map((s) => dayMs + s * 1_000),
  forMs: fc.integer({ min: 1, max: 700_000 }),
  quantiles: fc.subarray(quantiles),
  pageWindows: fc.constantFrom(1, 2, 7, 1_000),
});

describe("a range", () => {
  it("tells of devices and of groups what the oracle does, whatever is asked", () => {
    const property = fc.property(
      fc.array(anyDevice, { minLength: 1, maxLength: 5 }),
      fc.array(anyQuestion, { minLength: 1, maxLength: 4 }),
      (devices, questions) => {
        const sender = new Sender(widthsMs);
        for (const [i, { labels, gauges, counts }] of devices.entries()) {
          sender.add(`d${i}`, labels);
          sender.send(`d${i}`, gauge, gauges);
          const half = counts.findIndex(({ timeMs }) => timeMs >= dayMs + 300_000);
          for (const part of half === -1 ? [counts] : [counts.slice(0, half), counts.slice(half)]) {
            sender.send(`d${i}`, counter, part);
          }
        }
        for (const { forMs, ...question } of questions) check(sender, { ...question, toMs: question.fromMs + forMs });
      },
    );
    fc.assert(property, { numRuns: 150 });
  });

  it("has the same windows in pages of one, of two and of many", () => {
    const sender = new Sender(widthsMs);
    for (const [i, site] of ["north", "south", "north", "east"].entries()) {
      sender.add(`d${i}`, { site });
      for (const metric of metrics) {
        sender.send(`d${i}`, metric, seconds(i * 1_000, ...Array.from({ length: 99 }, (_, n) => n * i)));
      }
    }
    for (const groupBy of [[], ["site"]]) {
      const question = { fromMs: dayMs, toMs: dayMs + 200_000, groupBy, quantiles };
      const [many, ...others] = [1_000, 2, 1].map((pageWindows) => askPages(sender, { ...question, pageWindows }));
      expect(many.flat().length).toBeGreaterThan(50);
      for (const pages of others) expect(pages.flat()).toEqual(many.flat());
      expect(Math.max(...others[0].map((page) => page.length))).toBe(2);
      expect(Math.max(...others[1].map((page) => page.length))).toBe(1);
    }
  });
});

describe("the groups of a range", () => {
  it("are made by the values of all labels that are named, metric by metric", () => {
    const sender = new Sender(widthsMs);
    for (const [device, site, model] of [
      ["a", "north", "x100"],
      ["b", "north", "x200"],
      ["c", "south", "x200"],
      ["d", "north", "x100"],
    ] as const) {
      sender.add(device, { site, model, serial: device });
      sender.send(device, gauge, seconds(0, 1));
    }
    const counts = (...groupBy: string[]) =>
      ask(sender, { groupBy }).map(({ deviceId, group, count }) => [deviceId, group, count]);
    expect(counts("site")).toEqual([
      ["", { site: "north" }, 3],
      ["", { site: "south" }, 1],
    ]);
    expect(counts("model", "site")).toEqual([
      ["", { model: "x100", site: "north" }, 2],
      ["", { model: "x200", site: "north" }, 1],
      ["", { model: "x200", site: "south" }, 1],
    ]);
  });

  it("have the empty value for devices without the label, and for those whose label is empty", () => {
    const sender = new Sender(widthsMs);
    sender.add("a", { site: "north" });
    sender.add("b");
    sender.add("c", { site: "" });
    for (const device of ["a", "b", "c"]) sender.send(device, gauge, seconds(0, 1));
    expect(ask(sender, { groupBy: ["site"] }).map(({ group, count }) => [group, count])).toEqual([
      [{ site: "north" }, 1],
      [{ site: "" }, 2],
    ]);
  });

  it.each(["constructor", "toString"])("are as safe by a label named %s as by any other", (label) => {
    const sender = new Sender(widthsMs);
    sender.add("a", { [label]: "x" });
    sender.add("b");
    for (const device of ["a", "b"]) sender.send(device, gauge, seconds(0, 1));
    const groups = ask(sender, { groupBy: [label] }).map(({ group }) => Object.entries(group));
    expect(groups).toEqual([[[label, "x"]], [[label, ""]]]);
  });

  it("have only devices with the labels that the selector names", () => {
    const sender = new Sender(widthsMs);
    for (const [i, model] of ["x100", "x200", "x200", "x300"].entries()) {
      sender.add(`d${i}`, { model, site: i < 2 ? "north" : "south" });
      sender.send(`d${i}`, gauge, seconds(0, 2 ** i));
    }
    const sums = (labels: Record<string, string>) => {
      const selector = { deviceIds: undefined, metricNames: undefined, labels };
      return ask(sender, { selector, groupBy: ["site"] }).map(({ group, sum }) => [group["site"], sum]);
    };
    expect(sums({ model: "x200" })).toEqual([
      ["north", 2],
      ["south", 4],
    ]);
    expect(sums({ model: "x200", site: "south" })).toEqual([["south", 4]]);
    expect(sums({ model: "x200", floor: "1" })).toEqual([]);
  });

  it("come in frames when one start has more of them than a frame may", () => {
    const sender = new Sender(widthsMs);
    const devices = frameWindowsMax + 5;
    for (let i = 0; i < devices; i += 1) {
      sender.add(`d${i}`, { serial: String(i) });
      sender.put(`d${i}`, gauge, [...seconds(0, 1), ...seconds(10_000, 2)]);
    }
    sender.ingest.flush();
    const pages = askPages(sender, { groupBy: ["serial"], pageWindows: frameWindowsMax });
    expect(Math.max(...pages.map((page) => page.length))).toBe(frameWindowsMax);
    const windows = pages.flat();
    expect(new Set(windows.map(({ group, startMs }) => `${group["serial"]} ${startMs}`)).size).toBe(2 * devices);
    expect(windows.map(({ startMs }) => startMs)).toEqual(
      windows.map(({ startMs }) => startMs).toSorted((a, b) => a - b),
    );
    expect(windows.reduce((total, { sum }) => total + sum, 0)).toBe(3 * devices);
  });

  it("are refused with the limit when there are too many", () => {
    const sender = new Sender([10_000]);
    for (let i = 0; i <= groupsMax / 2; i += 1) {
      sender.add(`d${i}`, { serial: String(i), half: String(i % 2) });
      for (const metric of metrics) sender.put(`d${i}`, metric, seconds(0, 1));
    }
    sender.ingest.flush();
    expect(() => ask(sender, { groupBy: ["serial"] })).toThrow(`there are more than ${groupsMax} groups`);
    expect(ask(sender, { groupBy: ["half"] })).toHaveLength(4);
  });

  it("add up what the counters of their devices have grown by, resets included", () => {
    const sender = new Sender(widthsMs);
    for (const device of ["a", "b"]) sender.add(device, { site: "north" });
    sender.send("a", counter, [...seconds(0, 100, 110), ...seconds(10_000, 130)]);
    // It starts again at zero between the windows.
    sender.send("b", counter, [...seconds(0, 5_000, 5_001), ...seconds(12_000, 7)]);
    const windows = ask(sender, { groupBy: ["site"] });
    expect(windows.map(({ increase, increaseDurationMs }) => [increase, increaseDurationMs])).toEqual([
      [10 + 1, 1_000],
      [20 + 7, 11_000],
    ]);
  });

  it("keep a small increase beside a counter that stands far higher", () => {
    const sender = new Sender(widthsMs);
    for (const device of ["a", "b"]) sender.add(device, { site: "north" });
    sender.send("a", counter, seconds(0, 1e17, 1e17));
    sender.send("b", counter, seconds(0, 0.25, 0.375));
    expect(ask(sender, { groupBy: ["site"] })).toMatchObject([{ increase: 0.125 }]);
  });

  it("have numbers as increases wherever their counters stand", () => {
    const sender = new Sender(widthsMs);
    for (const device of ["a", "b"]) sender.add(device, { site: "north" });
    sender.send("a", counter, seconds(0, -Number.MAX_VALUE, -1));
    sender.send("b", counter, seconds(0, 1, Number.MAX_VALUE));
    for (const { increase } of ask(sender, { groupBy: ["site"] })) expect(increase).toBeGreaterThan(0);
  });
});

describe("the increase of a counter", () => {
  const increasesOf = (sender: Sender, options: AskOptions = {}) =>
    ask(sender, options).map(({ increase, increaseDurationMs }) => [increase, increaseDurationMs]);

  it("counts from the last sample before its window, over gaps as well", () => {
    const sender = new Sender(widthsMs);
    sender.send("a", counter, [...seconds(8_000, 10, 12), ...seconds(10_000, 15), ...seconds(55_000, 40, 41)]);
    expect(increasesOf(sender)).toEqual([
      [2, 1_000],
      [3, 1_000],
      [26, 46_000],
    ]);
  });

  it("counts in the first window of a range from the window just before, and no further back", () => {
    const sender = new Sender(widthsMs);
    sender.send("a", counter, [...seconds(5_000, 10), ...seconds(15_000, 30), ...seconds(35_000, 70, 75)]);
    const toMs = dayMs + 60_000;
    expect(increasesOf(sender, { fromMs: dayMs + 19_999, toMs })).toEqual([
      [20, 10_000],
      [45, 21_000],
    ]);
    expect(increasesOf(sender, { fromMs: dayMs + 30_000, toMs })).toEqual([[5, 1_000]]);
  });

  it("of one sample without another before it is none, and took no time", () => {
    const sender = new Sender(widthsMs);
    sender.send("a", counter, seconds(0, 10));
    expect(increasesOf(sender)).toEqual([[0, 0]]);
    expect(increasesOf(sender, { groupBy: ["site"] })).toEqual([[0, 0]]);
  });

  it("is not a number for a gauge, of a device or of a group", () => {
    const sender = new Sender(widthsMs);
    sender.send("a", gauge, seconds(0, 1, 2));
    expect(increasesOf(sender)).toEqual([[Number.NaN, 0]]);
    expect(increasesOf(sender, { groupBy: ["site"] })).toEqual([[Number.NaN, 0]]);
  });

  it("over all windows of a range is what the counter grew by in all, in every tier and in groups", () => {
    const anyCounts = anySamples(fc.nat(1_000)).map(inTime);
    const property = fc.property(fc.array(anyCounts, { minLength: 1, maxLength: 3 }), (devices) => {
      const sender = new Sender(widthsMs);
      for (const [i, counts] of devices.entries()) sender.send(`d${i}`, counter, counts);
      const [whole] = [1e15].map((widthMs) => oracleIncreases(sender.samples, widthMs, -widthMs));
      const total = whole.reduce((sum, { increase }) => sum + increase, 0);
      for (const widthMs of widthsMs) {
        for (const groupBy of [[], ["site"]]) {
          const windows = ask(sender, { widthMs, groupBy });
          expect(windows.reduce((sum, { increase }) => sum + increase, 0)).toBe(total);
        }
      }
    });
    fc.assert(property, { numRuns: 100 });
  });

  it("is marked as an estimate, in its group too, where a late sample overlaps a reset", () => {
    const sender = new Sender(widthsMs);
    sender.send("a", counter, seconds(0, 100, 5, 10));
    sender.send("b", counter, seconds(0, 1, 2));
    sender.send("a", counter, seconds(1_500, 7));
    const marks = (groupBy: string[]) => ask(sender, { groupBy }).map((window) => window.increaseApproximate);
    expect(marks([])).toEqual([true, false]);
    expect(marks(["site"])).toEqual([true]);
  });
});

describe("the state of a window", () => {
  const endMs = 10_000;
  const states = (sender: Sender, options: AskOptions = {}) => ask(sender, options).map(({ state }) => state);

  it("is provisional until its device is heard from after its end and the lateness", () => {
    const sender = new Sender(widthsMs, dayMs);
    sender.send("a", gauge, seconds(0, 1));
    sender.wait(endMs + latenessMsDefault - 1);
    sender.send("a", gauge, seconds(endMs + latenessMsDefault - 1, 1));
    expect(states(sender)).toEqual(["provisional", "provisional"]);
    sender.wait(1);
    sender.send("a", gauge, seconds(endMs + latenessMsDefault, 1));
    expect(states(sender)).toEqual(["final", "provisional", "provisional"]);
    expect(states(sender, { widthMs: 60_000 })).toEqual(["provisional"]);
  });

  it("becomes final by the server's clock when its device is silent", () => {
    const sender = new Sender(widthsMs, dayMs);
    sender.send("a", gauge, seconds(0, 1));
    sender.wait(endMs + latenessMsDefault - 1);
    expect(states(sender)).toEqual(["provisional"]);
    sender.wait(1);
    expect(states(sender)).toEqual(["final"]);
  });

  it("is corrected when a sample came after it was final, in the tiers in which it was", () => {
    const sender = new Sender(widthsMs, dayMs + 45_000);
    sender.send("a", gauge, seconds(0, 1));
    sender.send("a", gauge, seconds(45_000, 1));
    sender.send("a", gauge, seconds(1_000, 2));
    expect(states(sender)).toEqual(["corrected", "provisional"]);
    expect(states(sender, { widthMs: 60_000 })).toEqual(["provisional"]);
  });

  it("of a group is provisional while that of any device is, and then corrected if any was", () => {
    const sender = new Sender(widthsMs, dayMs + 45_000);
    for (const device of ["late", "ahead"]) {
      sender.send(device, gauge, seconds(0, 1));
      sender.send(device, gauge, seconds(45_000, 1));
    }
    sender.send("slow", gauge, seconds(5_000, 1));
    const state = () => states(sender, { groupBy: ["site"] })[0];
    expect(state()).toBe("provisional");
    sender.send("slow", gauge, seconds(45_000, 1));
    expect(state()).toBe("final");
    sender.send("late", gauge, seconds(1_000, 1));
    expect(state()).toBe("corrected");
  });
});

describe("the quantiles of a window", () => {
  it("come in the order asked for, and twice when asked for twice", () => {
    const sender = new Sender(widthsMs);
    sender.send("a", gauge, seconds(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
    const [window] = ask(sender, { quantiles: [1, 0.5, 0, 0.5] });
    const wants = [9, 5, 1, 5];
    for (const [i, want] of wants.entries()) expect(Math.abs(window.quantiles[i] / want - 1)).toBeLessThanOrEqual(0.01);
    expect(window.quantiles[3]).toBe(window.quantiles[1]);
  });

  it("are never beyond the extremes, of devices and of groups", () => {
    const property = fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      const sender = new Sender(widthsMs);
      sender.send("a", gauge, seconds(0, value));
      for (const groupBy of [[], ["site"]]) {
        // A value alone is all of its quantiles.
        for (const each of ask(sender, { groupBy, quantiles })[0].quantiles) expect(each).toBe(value);
      }
    });
    fc.assert(property, { numRuns: 100 });
  });
});
