import { invalidField } from "../lib/base/errors.ts";
import { noSeries } from "../lib/journal/sample-check.ts";
import type { AggregateStore, JournalPosition, NextIds, Series, Session } from "../lib/store/store.ts";
import type { Registration } from "../proto/gen/telemetry/v1/batch_pb.js";
import type { MetricDefinition } from "../proto/gen/telemetry/v1/metric_pb.js";
import type { CatalogChanges } from "./catalog-changes.ts";
import type { DeviceState } from "./device-states.ts";
import type { IngestQuotas } from "./quotas.ts";
import { RefusedHandles } from "./refused-handles.ts";
import { kindOf } from "./registration.ts";
import { SeriesBudget } from "./series-budget.ts";

/** Gives metrics their series, within the limits, and binds the handles of sessions to them. */
export class DeviceMetrics {
  readonly #counters: Set<number>;
  readonly #budget: SeriesBudget;
  readonly #refusedHandles = new RefusedHandles();
  readonly #nextIds: NextIds;
  readonly #changes: CatalogChanges;

  constructor(store: AggregateStore, quotas: IngestQuotas, nextIds: NextIds, changes: CatalogChanges) {
    this.#budget = new SeriesBudget(quotas, store.seriesCount());
    this.#counters = new Set(store.counterSeries());
    this.#nextIds = nextIds;
    this.#changes = changes;
  }

  /** Ids of the series that are counters. */
  get counters(): ReadonlySet<number> {
    return this.#counters;
  }

  /** Series that there are. */
  get seriesCount(): number {
    return this.#budget.used;
  }

  /** The group is in the journal at this position. */
  commit(position: JournalPosition): void {
    this.#refusedHandles.commit(position);
  }

  /** The group could not be stored. */
  rollback(): void {
    this.#refusedHandles.rollback();
  }

  /** No start replays the groups up to this position. */
  onSettled(through: JournalPosition): void {
    this.#refusedHandles.settle(through);
  }

  /** A batch has samples of a metric that has no series. @returns why it has none */
  onSeriesRefused({ device, seriesByName }: DeviceState, session: Session): string {
    this.#refusedHandles.onRefused(session);
    return this.#budget.explain(device.deviceId, seriesByName.size);
  }

  /** Makes the series that are new, and binds the handles, of a registration that was checked. */
  define(state: DeviceState, registration: Registration): void {
    const { handles } = state.session;
    const bound = this.#refusedHandles.binds(state.session);
    for (const definition of registration.metrics) {
      const before = handles.get(definition.handle);
      if (before === noSeries && bound) continue;
      const series = this.#seriesOf(state, definition);
      this.#bind(state.session, definition.handle, series?.id ?? noSeries);
    }
  }

  /** A device is deleted: others may have as many series more. */
  giveBack({ seriesByName }: DeviceState): void {
    for (const { id, kind } of seriesByName.values()) {
      this.#budget.giveBack();
      if (kind === "counter") this.#counters.delete(id);
    }
    this.#changes.onUndo(() => {
      for (const { id, kind } of seriesByName.values()) {
        this.#budget.take();
        if (kind === "counter") this.#counters.add(id);
      }
    });
  }

  #seriesOf(state: DeviceState, definition: MetricDefinition): Series | undefined {
    const series = state.seriesByName.get(definition.name);
    if (series === undefined) return this.#newSeries(state, definition);
    const { unit, description } = series;
    if (unit !== definition.unit || description !== definition.description) {
      this.#changes.onUndo(() => void Object.assign(series, { unit, description }));
      series.unit = definition.unit;
      series.description = definition.description;
      this.#changes.series.add(series);
    }
    return series;
  }

  /** @returns undefined when there is no room */
  #newSeries({ device, seriesByName }: DeviceState, definition: MetricDefinition): Series | undefined {
    if (!this.#budget.hasRoom(seriesByName.size)) return undefined;
    const { name, unit, description } = definition;
    const series = {
      id: this.#nextIds.series++,
      device: device.id,
      name,
      kind: kindOf(definition),
      unit,
      description,
    };
    seriesByName.set(name, series);
    this.#budget.take();
    this.#changes.onUndo(() => {
      seriesByName.delete(name);
      this.#budget.giveBack();
    });
    this.#changes.series.add(series);
    if (series.kind === "counter") this.#counters.add(series.id);
    return series;
  }

  #bind({ id, handles }: Session, handle: number, series: number): void {
    const before = handles.get(handle);
    if (before === series) return;
    handles.set(handle, series);
    this.#changes.onUndo(() => void (before === undefined ? handles.delete(handle) : handles.set(handle, before)));
    this.#changes.handles.push([id, handle, series]);
  }
}

/** A kind never changes, and a handle keeps its metric for the session; which one a refused handle had is not known. */
export function checkMetricsAgainst(
  known: DeviceState | undefined,
  session: Session | undefined,
  registration: Registration,
): void {
  if (known === undefined) return;
  for (const [i, definition] of registration.metrics.entries()) {
    const path = `registration.metrics[${i}]`;
    const series = known.seriesByName.get(definition.name);
    if (series !== undefined && series.kind !== kindOf(definition)) {
      throw invalidField(
        `${path}.kind`,
        `is ${kindOf(definition)}, but ${JSON.stringify(definition.name)} of this device is a ${series.kind}`,
        "give the metric another name",
      );
    }
    const bound = session?.handles.get(definition.handle);
    if (bound !== undefined && bound !== noSeries && bound !== series?.id) {
      throw invalidField(
        `${path}.handle`,
        `is ${definition.handle}, which stands for another metric in this session`,
        "keep the handles of a spool, or make a new spool",
      );
    }
  }
}
