import type { Results } from "../../results.ts";
import { bytes } from "../figure.ts";
import { cellKey, type MeasuredCell, measuredCells, medianIn } from "../measured-cell.ts";
import { significant } from "../number.ts";
import { paragraph, type Section, sectionOf, type Table } from "../section.ts";
import { wireName } from "./names.ts";

interface Size {
  readonly name: string;
  readonly batchSamples: number;
  readonly raw: MeasuredCell | undefined;
  readonly gzipped: MeasuredCell | undefined;
}

/** What each encoding takes at the socket, raw and gzipped. */
export function wireSize(results: Results): Section | undefined {
  const sizes = Map.groupBy(sizesOf(results), ({ batchSamples }) => batchSamples);
  return sectionOf("bytes", "Bytes per sample", [
    paragraph("Counted at the server's socket: headers, framing and TLS records are in them, acks are not."),
    ...[...sizes].sort(([a], [b]) => a - b).map(([batchSamples, each]) => tableOf(batchSamples, each)),
  ]);
}

/** How large a sample is does not depend on what a trial was made for. */
function sizesOf(results: Results): Size[] {
  const measured = ["gzip", "ways"].flatMap((scenario) => measuredCells(results, scenario));
  const pairs = Map.groupBy(measured, ({ cell }) => cellKey({ ...cell, gzip: false }));
  return [...pairs.values()].map((cells) => ({
    name: wireName(cells[0].cell),
    batchSamples: cells[0].cell.batchSamples,
    raw: cells.find(({ cell }) => !cell.gzip),
    gzipped: cells.find(({ cell }) => cell.gzip),
  }));
}

function tableOf(batchSamples: number, sizes: readonly Size[]): Table {
  const rows = sizes.flatMap(({ name, raw, gzipped }) => [
    { name, at: raw, of: undefined },
    { name: `${name}, gzipped`, at: gzipped, of: raw },
  ]);
  const told = rows.flatMap(({ name, at, of }) => {
    const median = at && medianIn(at, bytes.of);
    const whole = of && medianIn(of, bytes.of);
    return median === undefined ? [] : [{ name, median, share: whole && median.value / whole.value }];
  });
  return {
    kind: "table",
    caption: `Batches of ${batchSamples} samples: bytes per sample`,
    columns: ["wire", bytes.head, "of the size without gzip"],
    rows: told.map(({ name, median, share }) => [
      name,
      significant(median.value),
      share === undefined ? "" : `${significant(share * 100)} %`,
    ]),
    bars: told.map(({ median }) => median),
  };
}
