import type { Arm } from "../measure.ts";

/** What is measured against each other. */
export interface MicroSuite {
  readonly name: string;
  /** What a unit of its arms is. */
  readonly unit: string;
  /** Each unit is so many of something else, by which it is told too. */
  readonly of?: { readonly unit: string; readonly count: number };
  /** The first is what the others are held against. */
  readonly arms: Readonly<Record<string, Arm>>;
}

/** One after the other, so that what one has set up can go when the next one is asked for. @param dir for files */
export type MicroSuites = (dir: string) => Iterable<MicroSuite>;
