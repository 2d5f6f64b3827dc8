import {
  addToSketch,
  clearSketch,
  createSketchTable,
  encodeSketch,
  sketchBytes,
} from "../../lib/aggregate/sketch-table.ts";
import { Prng } from "../../lib/base/prng.ts";
import { printMachine } from "../measure.ts";

/** What many sketches take that grow in step, as those of the windows of many series do. `node bench/micro/sketch-bytes.ts` */
const prng = new Prng(1, "sketch");
const samples = Float64Array.from({ length: 100_000 }, () => 20 + 5 * prng.normal());

printMachine();
for (const size of [1, 6, 60, 360]) {
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
    `${sketches} sketches of ${size} samples: ${held.toFixed(1)} bytes of memory each, ${inBlocks.toFixed(1)} of ` +
      `them in blocks, ${(encoded / 1_000).toFixed(1)} bytes encoded`,
  );
}
