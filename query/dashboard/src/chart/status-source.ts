import type { Services } from "../services.ts";
import { type StatusPoint, statusHistoryMs } from "../state/status-history.ts";
import type { Span } from "../state/time-range.ts";
import type { Points } from "./band.ts";
import type { ChartSource } from "./chart-source.ts";

export type StatusField = Exclude<keyof StatusPoint, "timeMs">;

/** Polls are a second apart and the time that each takes: nobody looked in a longer gap. */
const gapMs = 5_000;

/** What the status poll has seen, always the last minutes. */
export class StatusSource implements ChartSource {
  readonly thresholds = [];
  readonly #services: Services;
  readonly #fields: readonly StatusField[];

  constructor(services: Services, fields: readonly StatusField[]) {
    this.#services = services;
    this.#fields = fields;
  }

  span(): Span {
    const toMs = this.#services.pause.nowMs();
    return { fromMs: toMs - statusHistoryMs, toMs };
  }

  version(): string {
    const { pause, status } = this.#services;
    return pause.sinceMs.peek() === undefined ? String(status.history.version) : "";
  }

  /** A point a second is less than there is room for. */
  read({ toMs }: Span): { points: readonly Points[]; widthMs: number } {
    const history = this.#services.status.history.points.filter(({ timeMs }) => timeMs <= toMs);
    const none = history.map(() => Number.NaN);
    const points = this.#fields.map((field) => ({
      starts: history.map(({ timeMs }) => timeMs),
      counts: history.map(() => 1),
      lines: history.map((point) => point[field]),
      lows: none,
      highs: none,
      isProvisional: history.map(() => false),
    }));
    return { points, widthMs: gapMs };
  }
}
