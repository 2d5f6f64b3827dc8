import { describe, expect, it } from "vitest";
import { type Cell, cellName, ways } from "../../../bench/cell.ts";
import { trialCount } from "../../../bench/run/run.ts";
import {
  type BenchSet,
  benchSet,
  type Scenario,
  scenarioNames,
  scenarioOf,
  setNames,
} from "../../../bench/run/scenarios.ts";

const series = ({ devices, metrics }: Cell) => devices * metrics;
const samplesPerMessage = ({ batchSamples, batchesPerMessage }: Cell) => batchSamples * batchesPerMessage;

/** Names of the fields in which two cells differ, without those that follow from others. */
function differences(a: Cell, b: Cell): string[] {
  return Object.keys(a).filter((key) => a[key as keyof Cell] !== b[key as keyof Cell] && key !== "connections");
}

describe("the headline", () => {
  const { cells } = scenarioOf("headline");

  it("compares as many samples per request, in flight and series", () => {
    expect(cells).toHaveLength(8);
    for (let i = 0; i < cells.length; i += 2) {
      const [json, ours] = [cells[i], cells[i + 1]];
      expect([json.way, ours.way]).toEqual(["http1", "grpc-stream"]);
      expect(samplesPerMessage(json)).toBe(samplesPerMessage(ours));
      expect(json.slots).toBe(ours.slots);
      expect(series(json)).toBe(series(ours));
    }
  });
});

it("each step of the waterfall changes one factor", () => {
  const { cells } = scenarioOf("waterfall");
  const steps = cells.slice(1).map((cell, i) => differences(cells[i], cell));
  expect(steps).toEqual([["encoding"], ["encoding"], ["way"], ["way"], ["way"], ["way"], ["batchesPerMessage"]]);
});

it.each(["durability", "gzip", "tls", "series", "late"])("%s is the one factor that its scenario changes", (name) => {
  const { cells } = scenarioOf(name);
  const factor = name === "series" ? "devices" : name;
  for (let i = 0; i < cells.length; i += 2) expect(differences(cells[i], cells[i + 1])).toEqual([factor]);
});

it.each(scenarioNames)("%s measures no cell twice", (name) => {
  const names = scenarioOf(name).cells.map(cellName);
  expect(new Set(names).size).toBe(names.length);
});

it("the smoke run has every way, and so has the full one", () => {
  for (const name of ["smoke", "full"] as const) {
    const has = new Set(benchSet(name).scenarios.flatMap(({ cells }) => cells.map(({ way }) => way)));
    expect([...has].sort()).toEqual([...ways].sort());
  }
});

it("the full run takes less than two and a half hours, the quick one some minutes", () => {
  /** Starting, checking and stopping a trial: some two seconds here. */
  const minutes = (set: BenchSet) => (trialCount(set) * (set.effort.warmUpMs + set.effort.measureMs + 2_500)) / 60_000;
  expect(setNames.map((name) => minutes(benchSet(name)) < { quick: 11, full: 150, smoke: 1.5 }[name])).toEqual([
    true,
    true,
    true,
  ]);
});

it("counts what it runs: rounds, loads, and each generator once", () => {
  const [cell] = scenarioOf("latency").cells;
  const scenario: Scenario = { name: "latency", cells: [cell], loads: [0.5, 0.8] };
  const effort = { rounds: 3, warmUpMs: 1, measureMs: 1, ceilingRounds: 3, isFull: false };
  expect(trialCount({ name: "one", effort, scenarios: [scenario, scenario] })).toBe(2 * (3 + 2 * 2) + 1);
});
