import { bucketKey } from "../../lib/aggregate/sketch-bucket.ts";
import {
  addToSketch,
  clearSketch,
  createSketchTable,
  mergeSketch,
  type SketchTable,
  setSketch,
} from "../../lib/aggregate/sketch-table.ts";
import { Prng } from "../../lib/base/prng.ts";
import type { MicroSuite } from "./suite.ts";

/** A checkout has it, a package that was installed has not: then its arms are left out. */
const library = await import("@datadog/sketches-js").catch(() => undefined);
const values = 100_000;
const sketches = 16;

/** Quantile sketches: ours against the logarithm and against @datadog/sketches-js. */
export function* sketchSuites(): Iterable<MicroSuite> {
  const prng = new Prng(1, "sketch");
  const distributions = {
    normal: Float64Array.from({ length: values }, () => 20 + 5 * prng.normal()),
    "normal about zero": Float64Array.from({ length: values }, () => prng.normal()),
    "log-normal": Float64Array.from({ length: values }, () => Math.exp(prng.normal())),
  };
  yield keys(distributions.normal);
  for (const [name, samples] of Object.entries(distributions)) {
    for (const size of [1, 6, 360, values]) yield adds(name, samples, size);
  }
  for (const size of [6, 60, 360, values]) yield merges("normal", distributions.normal, size, prng);
  yield merges("normal about zero", distributions["normal about zero"], values, prng);
}

function keys(samples: Float64Array): MicroSuite {
  const bucketsPerE = 1 / Math.log(1.01 / 0.99);
  const logarithmKey = (value: number) => Math.ceil(Math.log(value) * bucketsPerE);
  return {
    name: "one key",
    unit: "key",
    arms: {
      bucketKey: { run: () => sumOfKeys(samples, bucketKey), units: values },
      "Math.log": { run: () => sumOfLogarithmKeys(samples, logarithmKey), units: values },
    },
  };
}

/** Twice the same, so that each is compiled with one function alone. */
function sumOfKeys(samples: Float64Array, keyOf: (value: number) => number): number {
  let sum = 0;
  for (let i = 0; i < samples.length; i += 1) sum += keyOf(samples[i]);
  return sum;
}

function sumOfLogarithmKeys(samples: Float64Array, keyOf: (value: number) => number): number {
  let sum = 0;
  for (let i = 0; i < samples.length; i += 1) sum += keyOf(samples[i]);
  return sum;
}

/** Sketches of `size` samples one after the other, each begun empty. */
function adds(name: string, samples: Float64Array, size: number): MicroSuite {
  const table = createSketchTable();
  clearSketch(table, 0);
  const units = values - (values % size);
  const ours = () => {
    for (let i = 0; i < units; i += size) {
      clearSketch(table, 0);
      for (let j = i; j < i + size; j += 1) addToSketch(table, 0, samples[j]);
    }
  };
  const theirs = library && {
    run: () => {
      let sketch = new library.DDSketch();
      for (let i = 0; i < units; i += size) {
        sketch = new library.DDSketch();
        for (let j = i; j < i + size; j += 1) sketch.accept(samples[j]);
      }
      return sketch;
    },
    units,
  };
  ours();
  return {
    name: `add, ${name}, ${size} samples a sketch (${table.sizes[0]} buckets in the last)`,
    unit: "sample",
    arms: { addToSketch: { run: ours, units }, ...(theirs && { "sketches-js": theirs }) },
  };
}

/** Two sketches of `size` samples merged; the first is copied before, as it would not be the same the next time. */
function merges(name: string, samples: Float64Array, size: number, prng: Prng): MicroSuite {
  const parts = Array.from({ length: sketches }, () =>
    Float64Array.from({ length: size }, () => samples[prng.below(samples.length)]),
  );
  const table = createSketchTable();
  for (const [at, part] of parts.entries()) addAll(table, at, part);
  const merged = createSketchTable();
  clearSketch(merged, 0);
  const copyAll = () => {
    for (let at = 0; at < sketches; at += 1) setSketch(merged, 0, table, at);
  };
  const mergeAll = () => {
    for (let at = 0; at < sketches; at += 1) {
      setSketch(merged, 0, table, at);
      mergeSketch(merged, 0, table, (at + 1) % sketches);
    }
  };
  const theirs = mergeTheirs(parts);
  mergeAll();
  return {
    name: `merge, ${name}, ${size} samples a sketch (${table.sizes[0]} buckets and ${merged.sizes[0]} merged)`,
    unit: "merge",
    arms: {
      "copy and merge": { run: mergeAll, units: sketches },
      copy: { run: copyAll, units: sketches },
      ...(theirs && { "sketches-js": { run: theirs, units: sketches } }),
    },
  };
}

function mergeTheirs(parts: readonly Float64Array[]): (() => void) | undefined {
  if (library === undefined) return undefined;
  const { DDSketch } = library;
  const theirs = parts.map((part) => {
    const sketch = new DDSketch();
    for (const value of part) sketch.accept(value);
    return sketch;
  });
  return () => {
    for (let at = 0; at < sketches; at += 1) {
      const sketch = new DDSketch();
      sketch.merge(theirs[at]);
      sketch.merge(theirs[(at + 1) % sketches]);
    }
  };
}

function addAll(table: SketchTable, at: number, samples: Float64Array): void {
  clearSketch(table, at);
  for (const value of samples) addToSketch(table, at, value);
}
