import { type Cell, cellOf, defaultCell } from "../../cell.ts";
import type { Results } from "../../results.ts";
import { ackP99, bytes, cpu, rss, throughput } from "../figure.ts";
import { cellKey, type MeasuredCell, measuredCells, ratioIn } from "../measured-cell.ts";
import { ratioText } from "../number.ts";
import { paragraph, type Section, sectionOf, type Table } from "../section.ts";
import { figureText, wireName } from "./names.ts";

/** What changes when nothing else does. */
interface Factor {
  readonly scenario: string;
  readonly title: string;
  readonly shownOf: (cell: Cell) => string;
  /** By which its rows are sorted. */
  readonly rankOf: (cell: Cell) => number;
  /** Fields that go with it. */
  readonly fields: readonly (keyof Cell)[];
}

const factors: readonly Factor[] = [
  {
    scenario: "connections",
    title: "Connections",
    shownOf: ({ connections, slots }) =>
      `${connections} ${connections === 1 ? "connection" : "connections"}, ${slots} in flight`,
    // By slots, then by connections: these are at most as many.
    rankOf: ({ connections, slots }) => slots ** 2 + connections,
    fields: ["connections", "slots"],
  },
  {
    scenario: "durability",
    title: "Durability",
    shownOf: ({ durability }) =>
      durability === "fsync" ? "fsync before the ack (D2)" : "survives the process only (D1)",
    rankOf: ({ durability }) => Number(durability !== "fsync"),
    fields: ["durability"],
  },
  {
    scenario: "gzip",
    title: "Compression of requests",
    shownOf: ({ gzip }) => (gzip ? "gzip" : "none"),
    rankOf: ({ gzip }) => Number(gzip),
    fields: ["gzip"],
  },
  {
    scenario: "tls",
    title: "TLS",
    shownOf: ({ tls }) => (tls ? "TLS" : "plain"),
    rankOf: ({ tls }) => Number(tls),
    fields: ["tls"],
  },
  {
    scenario: "series",
    title: "Series",
    shownOf: ({ devices, metrics }) => (devices * metrics).toLocaleString("en-US"),
    rankOf: ({ devices, metrics }) => devices * metrics,
    fields: ["devices", "metrics"],
  },
  {
    scenario: "late",
    title: "Late samples",
    shownOf: ({ late }) => `${late * 100} %`,
    rankOf: ({ late }) => late,
    fields: ["late"],
  },
];

/** What each factor comes to by itself. */
export function factorTables(results: Results): Section | undefined {
  return sectionOf("factors", "One factor at a time", [
    paragraph(
      "Ratios are to the row without one: less than 1 is less, whether that is good or not; ~ is no difference shown.",
    ),
    ...factors.flatMap((factor) => {
      const measured = measuredCells(results, factor.scenario);
      const groups = Map.groupBy(measured, ({ cell }) => cellKey(withoutFactor(cell, factor)));
      return [...groups.values()].filter((group) => group.length > 1).map((group) => tableOf(factor, group));
    }),
  ]);
}

function withoutFactor(cell: Cell, { fields }: Factor): Cell {
  return { ...cell, ...Object.fromEntries(fields.map((field) => [field, defaultCell[field]])) };
}

/** The cell that the others are held against: of HTTP/1.1 it has a connection for each message in flight. */
function usualOf(cell: Cell, factor: Factor): Cell {
  return cellOf(withoutFactor(cell, factor));
}

function tableOf(factor: Factor, group: readonly MeasuredCell[]): Table {
  const { shownOf, rankOf } = factor;
  const sorted = [...group].sort((a, b) => rankOf(a.cell) - rankOf(b.cell));
  const base = sorted.find(({ cell }) => cellKey(cell) === cellKey(usualOf(cell, factor))) ?? sorted[0];
  const against = (each: MeasuredCell, figure: typeof cpu) =>
    each === base ? "" : ratioText(ratioIn(each, base, figure.of));
  return {
    kind: "table",
    caption: `${factor.title}: ${wireName(base.cell)}, batches of ${base.cell.batchSamples}`,
    columns: [factor.title, cpu.head, "ratio", throughput.head, "ratio", ackP99.head, "ratio", bytes.head, rss.head],
    rows: sorted.map((each) => [
      shownOf(each.cell),
      ...[cpu, throughput, ackP99].flatMap((figure) => [figureText(each, figure), against(each, figure)]),
      figureText(each, bytes),
      figureText(each, rss),
    ]),
  };
}
