import type { Span } from "../state/time-range.ts";
import type { Points } from "./band.ts";

/** What a chart draws, and when that is something new. */
export interface ChartSource {
  readonly thresholds: readonly number[];
  /** Of now, or of the moment at which it was paused. */
  span(): Span;
  /** Other when there is something else to draw in the same span. */
  version(): string;
  /**
   * @param pointsMax of each line, as many as there is room for
   * @returns the points of each line; where the next is further away than `widthMs` there is a gap
   */
  read(span: Span, pointsMax: number): { readonly points: readonly Points[]; readonly widthMs: number };
}
