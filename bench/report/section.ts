import type { Interval } from "./median.ts";

/** A part of the report, as it goes into Markdown and into HTML. All texts are plain: who writes them out escapes them. */
export interface Section {
  /** Kebab case, unique in a report. */
  readonly id: string;
  readonly title: string;
  readonly blocks: readonly Block[];
}

export type Block = Paragraph | Table | LineChart;

export interface Paragraph {
  readonly kind: "paragraph";
  readonly text: string;
}

export interface Bar extends Interval {
  /** It belongs to what the others are held against. */
  readonly isOther?: boolean;
}

export interface Table {
  readonly kind: "table";
  readonly caption: string;
  /** The first one heads the names of the rows. */
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** One per row, drawn to scale where there is a way to. */
  readonly bars?: readonly (Bar | undefined)[];
  /** Reference rather than reading: folded where there is a way to. */
  readonly isLong?: boolean;
}

/** A table of the same section has its figures. */
export interface LineChart {
  readonly kind: "lines";
  readonly caption: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly lines: readonly Line[];
}

export interface Axis {
  readonly label: string;
  readonly isLog: boolean;
}

export interface Line {
  readonly label: string;
  /** Lines of equal colour belong together. */
  readonly color: number;
  /** Tells lines of one colour apart. */
  readonly dash: number;
  /** By x, ascending. */
  readonly points: readonly (Interval & { readonly x: number })[];
}

export function paragraph(text: string): Paragraph {
  return { kind: "paragraph", text };
}

/** Undefined when there is nothing to tell. */
export function sectionOf(id: string, title: string, blocks: readonly Block[]): Section | undefined {
  return blocks.some(({ kind }) => kind !== "paragraph") ? { id, title, blocks } : undefined;
}

/** By column: whether it holds numbers, to be set to the right. The first one holds names. */
export function numericColumns({ columns, rows }: Pick<Table, "columns" | "rows">): boolean[] {
  return columns.map((_, i) => i > 0 && rows.every((row) => /^(-?\d.*|-|no pairs|)$/.test(row[i])));
}
