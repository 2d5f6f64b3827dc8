import type { ChangeCollector } from "../../ingest/change-collector.ts";
import type { LiveFilter } from "../../lib/store/live-feed.ts";

/** Who watches a collector: they come and go one by one. */
export class Filters {
  readonly #collector: ChangeCollector;
  readonly #ids = new Map<string, number>();
  #nextId = 1;

  constructor(collector: ChangeCollector) {
    this.#collector = collector;
  }

  /** From now on these watch, and no others: who watched before goes on. @param revision the latest group */
  set(filters: readonly LiveFilter[], revision = 0): void {
    const staying = new Map(filters.map((filter) => [JSON.stringify(filter), filter]));
    for (const [key, filter] of staying) {
      if (this.#ids.has(key)) continue;
      this.#ids.set(key, this.#nextId);
      this.#collector.watch(this.#nextId++, filter, revision);
    }
    for (const [key, id] of this.#ids) {
      if (staying.has(key)) continue;
      this.#collector.unwatch(id);
      this.#ids.delete(key);
    }
  }
}
