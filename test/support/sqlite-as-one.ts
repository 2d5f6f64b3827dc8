import type { Tier } from "../../lib/aggregate/tiers.ts";
import type { AggregateReader, AggregateStore, Journal } from "../../lib/store/store.ts";
import { openSqlite } from "../store/sqlite/data-dir.ts";

/** A new SQLite store, with the functions of a reader of it. */
export function openAsOne(tiers: readonly Tier[]): AggregateStore & Journal & AggregateReader {
  const { store, reader } = openSqlite(tiers);
  return asOne(store, reader);
}

/** The store, with the functions of the reader. */
export function asOne<Store extends AggregateStore>(store: Store, reader: AggregateReader): Store & AggregateReader {
  return Object.assign(store, {
    devices: reader.devices.bind(reader),
    deviceCount: reader.deviceCount.bind(reader),
    devicesOf: reader.devicesOf.bind(reader),
    deviceDetail: reader.deviceDetail.bind(reader),
    series: reader.series.bind(reader),
    unknownDevices: reader.unknownDevices.bind(reader),
    openRange: reader.openRange.bind(reader),
    openChanged: reader.openChanged.bind(reader),
    select: reader.select.bind(reader),
    progress: reader.progress.bind(reader),
  });
}
