import { type SampleRun, TierWindows, WindowSet } from "../../lib/aggregate/window-set.ts";
import { clearWindow, mergeWindow, setWindow } from "../../lib/aggregate/window-table.ts";
import { Prng } from "../../lib/base/prng.ts";
import type { Arm } from "../measure.ts";
import type { MicroSuite } from "./suite.ts";

/** Samples or merges of one run: so many that a run is longer than the clock's reading. */
const batch = 1_000;

/** What a sample costs in an open window, sketch included, and a merge of two windows. */
export function* windowSuites(): Iterable<MicroSuite> {
  const prng = new Prng(1, "windows");
  for (const kind of ["gauge", "counter"] as const) {
    const arms = [1, 10, 100, 1_000].map((samples) => [
      `${samples} of a series in a batch`,
      addArm(kind, samples, prng),
    ]);
    const many = kind === "gauge" ? { "1 of each of 1000 series in a group": manySeriesArm(prng) } : {};
    yield { name: `add to a ${kind}'s open window`, unit: "sample", arms: { ...Object.fromEntries(arms), ...many } };
  }
  const merges = [1, 6, 60, 360].map((samples) => [`${samples} samples each`, mergeArm(samples, prng)]);
  yield { name: "merge two windows", unit: "merge", arms: Object.fromEntries(merges) };
}

function addArm(kind: "gauge" | "counter", samples: number, prng: Prng): Arm {
  const run = runOf(samples, kind === "counter", prng);
  const set = new WindowSet([10_000]);
  return {
    run: () => {
      for (let i = 0; i < batch / samples; i += 1) set.add(run);
    },
    units: batch,
  };
}

function manySeriesArm(prng: Prng): Arm {
  const one = runOf(1, false, prng);
  const set = new WindowSet([10_000]);
  return {
    run: () => {
      for (let i = 0; i < batch; i += 1) {
        one.series = 1 + i;
        one.values[0] = 20 + (i % 97) / 50;
        set.add(one);
      }
    },
    units: batch,
  };
}

function mergeArm(samples: number, prng: Prng): Arm {
  const set = new WindowSet([10_000]);
  set.add(runOf(samples, false, prng));
  set.add({ ...runOf(samples, false, prng), series: 2 });
  const [{ table }] = set.tiers;
  const into = new TierWindows(10_000);
  const at = into.indexOf(1, 0);
  return {
    run: () => {
      for (let i = 0; i < batch; i += 1) {
        clearWindow(into.table, at);
        setWindow(into.table, at, table, 0);
        mergeWindow(into.table, at, table, 1);
      }
    },
    units: batch,
  };
}

function runOf(samples: number, counter: boolean, prng: Prng): SampleRun {
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
    isPlain: true,
  };
}
