import { provisionalState } from "../lib/aggregate/watermark.ts";
import { copyWindow, createWindowTable, type WindowTable } from "../lib/aggregate/window-table.ts";
import type { AnswerPage } from "./range-answer.ts";

/**
 * What a snapshot has shown as provisional. The feed tells when a window that it has told becomes final; of those that
 * only the snapshot told, the store knows.
 */
export class UnsettledWindows {
  /** Starts by series and start. */
  readonly #starts = new Map<string, number>();

  get size(): number {
    return this.#starts.size;
  }

  /** Where they lie: `fromMs` <= start < `toMs`. */
  get range(): { fromMs: number; toMs: number } {
    let fromMs = Number.POSITIVE_INFINITY;
    let toMs = Number.NEGATIVE_INFINITY;
    for (const startMs of this.#starts.values()) {
      fromMs = Math.min(fromMs, startMs);
      toMs = Math.max(toMs, startMs + 1);
    }
    return { fromMs, toMs };
  }

  /** The snapshot shows these. */
  addProvisional({ length, series, starts, states }: WindowTable): void {
    for (let i = 0; i < length; i += 1) {
      if (states[i] === provisionalState) this.#starts.set(keyOf(series[i], starts[i]), starts[i]);
    }
  }

  /** The feed has told these, and will go on. */
  remove({ length, series, starts }: WindowTable): void {
    for (let i = 0; i < length && this.#starts.size > 0; i += 1) this.#starts.delete(keyOf(series[i], starts[i]));
  }

  /** Takes those out that are not provisional any more, of a page of `range`. */
  takeSettled({ windows, quantileValues }: AnswerPage): Pick<AnswerPage, "windows" | "quantileValues"> {
    const settled = createWindowTable();
    const quantiles: number[] = [];
    const perWindow = quantileValues.length / Math.max(1, windows.length);
    for (let i = 0; i < windows.length; i += 1) {
      if (windows.states[i] === provisionalState) continue;
      if (!this.#starts.delete(keyOf(windows.series[i], windows.starts[i]))) continue;
      copyWindow(windows, i, settled);
      quantiles.push(...quantileValues.subarray(i * perWindow, (i + 1) * perWindow));
    }
    return { windows: settled, quantileValues: Float64Array.from(quantiles) };
  }
}

function keyOf(series: number, startMs: number): string {
  return `${series}/${startMs}`;
}
