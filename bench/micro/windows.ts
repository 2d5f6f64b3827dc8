import { type SampleRun, TierWindows, WindowSet } from "../../lib/aggregate/window-set.ts";
import { clearWindow, mergeWindow, setWindow } from "../../lib/aggregate/window-table.ts";
import { Prng } from "../../lib/base/prng.ts";
import { printMachine } from "../measure.ts";

/** What a sample costs in an open window, sketch included, and a merge of two windows. `node bench/micro/windows.ts` */

const prng = new Prng(1, "windows");
const rounds = 7;

/** Prints the median of some rounds, the first thrown away. @param run does `units` of them */
function time(name: string, units: number, run: () => void): void {
  const each: number[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    const start = performance.now();
    run();
    if (round > 0) each.push(((performance.now() - start) * 1e6) / units);
  }
  each.sort((a, b) => a - b);
  console.log(`  ${name.padEnd(64)} ${(each[rounds >> 1] ?? 0).toPrecision(3).padStart(8)} ns`);
}

function runOf(samples: number, counter: boolean): SampleRun {
  let total = 0;
  return {
    series: 1,
    counter,
    watermarkMs: 0,
    timesMs: Float64Array.from({ length: samples }, (_, i) => (i * 10_000) / samples),
    timeStart: 0,
    timeEnd: samples,
    values: Float64Array.from({ length: samples }, () => {
      const value = 20 + prng.normal();
      total += Math.abs(value);
      return counter ? total : value;
    }),
    valueStart: 0,
  };
}

printMachine();
console.log("add a sample to an open window, per sample");
for (const counter of [false, true]) {
  for (const samples of [1, 10, 100, 1_000]) {
    const run = runOf(samples, counter);
    const set = new WindowSet([10_000]);
    const name = `${counter ? "counter" : "gauge"}, ${samples} of a series in a batch`;
    time(name, 1_000_000, () => {
      for (let i = 0; i < 1_000_000 / samples; i += 1) set.add(run);
    });
  }
}
const series = 1_000;
const one = runOf(1, false);
const many = new WindowSet([10_000]);
time(`gauge, 1 of each of ${series} series in a group`, 1_000_000, () => {
  for (let i = 0; i < 1_000_000; i += 1) {
    one.series = 1 + (i % series);
    one.values[0] = 20 + (i % 97) / 50;
    many.add(one);
  }
});

console.log("merge two windows, per merge");
for (const samples of [1, 6, 60, 360]) {
  const set = new WindowSet([10_000]);
  set.add(runOf(samples, false));
  set.add({ ...runOf(samples, false), series: 2 });
  const [tier] = set.tiers;
  if (tier === undefined) throw new Error("there is one tier");
  const into = new TierWindows(10_000);
  const at = into.indexOf(1, 0);
  time(`${samples} samples each`, 200_000, () => {
    for (let i = 0; i < 200_000; i += 1) {
      clearWindow(into.table, at);
      setWindow(into.table, at, tier.table, 0);
      mergeWindow(into.table, at, tier.table, 1);
    }
  });
}
