import { DDSketch } from "@datadog/sketches-js";
import { bucketKey } from "../../lib/aggregate/sketch-bucket.ts";
import {
  addToSketch,
  clearSketch,
  createSketchTable,
  encodeSketch,
  mergeSketch,
  type SketchTable,
  setSketch,
  sketchBytes,
} from "../../lib/aggregate/sketch-table.ts";
import { Prng } from "../../lib/base/prng.ts";
import { compareTimes, printMachine } from "../measure.ts";

/** Quantile sketches: ours against the logarithm and against @datadog/sketches-js. `node bench/micro/sketch.ts` */
const prng = new Prng(1, "sketch");
const values = 100_000;
const distributions = {
  normal: Float64Array.from({ length: values }, () => 20 + 5 * prng.normal()),
  "normal about zero": Float64Array.from({ length: values }, () => prng.normal()),
  "log-normal": Float64Array.from({ length: values }, () => Math.exp(prng.normal())),
};

printMachine();
measureKeys(distributions.normal);
for (const [name, samples] of Object.entries(distributions)) {
  for (const size of [1, 6, 360, values]) measureAdds(name, samples, size);
}
for (const size of [6, 60, 360, values]) measureMerges(distributions.normal, size);
measureMerges(distributions["normal about zero"], values);
for (const size of [1, 6, 60, 360]) measureBytes(distributions.normal, size);

function measureKeys(samples: Float64Array): void {
  const bucketsPerE = 1 / Math.log(1.01 / 0.99);
  const logarithmKey = (value: number) => Math.ceil(Math.log(value) * bucketsPerE);
  console.log("\none key");
  compareTimes({
    bucketKey: { run: () => sumOfKeys(samples, bucketKey), units: values },
    "Math.log": { run: () => sumOfLogarithmKeys(samples, logarithmKey), units: values },
  });
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
function measureAdds(name: string, samples: Float64Array, size: number): void {
  const table = createSketchTable();
  clearSketch(table, 0);
  const used = values - (values % size);
  const ours = () => {
    for (let i = 0; i < used; i += size) {
      clearSketch(table, 0);
      for (let j = i; j < i + size; j += 1) addToSketch(table, 0, samples[j]);
    }
  };
  const theirs = () => {
    let sketch = new DDSketch();
    for (let i = 0; i < used; i += size) {
      sketch = new DDSketch();
      for (let j = i; j < i + size; j += 1) sketch.accept(samples[j]);
    }
    return sketch;
  };
  ours();
  console.log(`\none add, ${name}, ${size} samples a sketch, ${table.sizes[0]} buckets in the last`);
  compareTimes({ addToSketch: { run: ours, units: used }, "sketches-js": { run: theirs, units: used } });
}

/** Two sketches of `size` samples merged; the first is copied before, as it would not be the same the next time. */
function measureMerges(samples: Float64Array, size: number): void {
  const sketches = 16;
  const table = createSketchTable();
  const theirs: DDSketch[] = [];
  for (let at = 0; at < sketches; at += 1) {
    const part = Float64Array.from({ length: size }, () => samples[prng.below(samples.length)]);
    addAll(table, at, part);
    const sketch = new DDSketch();
    for (const value of part) sketch.accept(value);
    theirs.push(sketch);
  }
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
  const mergeTheirs = () => {
    for (let at = 0; at < sketches; at += 1) {
      const sketch = new DDSketch();
      sketch.merge(theirs[at]);
      sketch.merge(theirs[(at + 1) % sketches]);
    }
  };
  mergeAll();
  console.log(`\none merge, ${size} samples a sketch, ${table.sizes[0]} buckets and ${merged.sizes[0]} merged`);
  compareTimes({
    "copy and merge": { run: mergeAll, units: sketches },
    copy: { run: copyAll, units: sketches },
    "sketches-js": { run: mergeTheirs, units: sketches },
  });
}

/** Many sketches that grow in step, as those of the windows of many series do. */
function measureBytes(samples: Float64Array, size: number): void {
  const sketches = Math.floor(6_000_000 / Math.max(6, size));
  const table = createSketchTable();
  for (let at = 0; at < sketches; at += 1) clearSketch(table, at);
  for (let i = 0; i < size; i += 1) {
    for (let at = 0; at < sketches; at += 1) addToSketch(table, at, samples[prng.below(samples.length)]);
  }
  let encoded = 0;
  for (let at = 0; at < 1_000; at += 1) encoded += encodeSketch(table, at).length;
  const held = sketchBytes(table) / sketches;
  // Of a block's entries: 4 bytes of key and 8 of count, and 6 of columns beside it.
  const inBlocks = (table.used * 12) / sketches + 6;
  console.log(
    `\n${sketches} sketches of ${size} samples: ${held.toFixed(1)} bytes of memory each, ${inBlocks.toFixed(1)} of ` +
      `them in blocks, ${(encoded / 1_000).toFixed(1)} bytes encoded`,
  );
}

function addAll(table: SketchTable, at: number, samples: Float64Array): void {
  clearSketch(table, at);
  for (const value of samples) addToSketch(table, at, value);
}
