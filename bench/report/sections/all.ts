import type { Results } from "../../results.ts";
import type { Section } from "../section.ts";
import { allCells } from "./all-cells.ts";
import { backpressure } from "./backpressure.ts";
import { batchSize } from "./batch-size.ts";
import { content } from "./content.ts";
import { factorTables } from "./factors.ts";
import { headline } from "./headline.ts";
import { latency } from "./latency.ts";
import { micro } from "./micro.ts";
import { waterfall } from "./waterfall.ts";
import { wireSize } from "./wire-size.ts";
import { wires } from "./wires.ts";

/** What the results tell, but for the conditions; what was not measured is left out. */
export function sectionsOf(results: Results): Section[] {
  return [
    headline(results),
    waterfall(results),
    batchSize(results),
    wires(results),
    wireSize(results),
    factorTables(results),
    latency(results),
    backpressure(results),
    micro(results),
    content(results),
    allCells(results),
  ].filter((section) => section !== undefined);
}
