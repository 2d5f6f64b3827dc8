import { gapsPerDeviceMax } from "../lib/base/limits.ts";
import type { DeviceChangeName } from "../lib/store/device-feed.ts";
import type { GapRow, RefusalRow } from "../lib/store/registry.ts";
import type { CatalogStep, Device, Series, Session } from "../lib/store/store.ts";
import type { RefusalReason } from "../proto/gen/telemetry/v1/batch_pb.js";
import { RefusalCounts } from "./refusal-counts.ts";

/** What has happened to a device, when it is stored. */
export interface CatalogEvent {
  readonly kind: DeviceChangeName;
  readonly device: Device;
  readonly timeMs: number;
}

/** What a group, or a change of the registry, adds to the catalog or changes in it, and the way back. */
export class CatalogChanges implements CatalogStep {
  readonly devices = new Set<Device>();
  readonly sessions = new Set<Session>();
  readonly series = new Set<Series>();
  readonly handles: [session: number, handle: number, series: number][] = [];
  readonly #gaps = new Map<number, GapRow[]>();
  readonly #refusals = new Map<number, RefusalCounts>();
  #events: CatalogEvent[] = [];
  #undo: (() => void)[] = [];

  get isEmpty(): boolean {
    const { devices, sessions, series, handles } = this;
    const { size } = this.#refusals;
    return devices.size + sessions.size + series.size + handles.length + this.#gaps.size + size === 0;
  }

  get gaps(): GapRow[] {
    return [...this.#gaps.values()].flat();
  }

  /** One row per device and reason, however many batches there were. */
  get refusals(): RefusalRow[] {
    return [...this.#refusals].flatMap(([device, counts]) => counts.list().map((count) => ({ device, ...count })));
  }

  /** What there is to tell when the changes are stored. */
  get events(): readonly CatalogEvent[] {
    return this.#events;
  }

  /** @param undo takes a change back that was made in memory */
  onUndo(undo: () => void): void {
    this.#undo.push(undo);
  }

  tell(kind: DeviceChangeName, device: Device, timeMs: number): void {
    this.#events.push({ kind, device, timeMs });
  }

  /** A device has lost batches. */
  addGap(gap: GapRow): void {
    const gaps = this.#gaps.get(gap.device) ?? [];
    gaps.push(gap);
    // More of one group would be stored only to be deleted.
    if (gaps.length > gapsPerDeviceMax) gaps.shift();
    this.#gaps.set(gap.device, gaps);
  }

  /** A batch of a device has samples that are refused. */
  refuse({ id }: Device, reason: RefusalReason, samples: number): void {
    const counts = this.#refusals.get(id) ?? new RefusalCounts();
    counts.add(reason, samples);
    this.#refusals.set(id, counts);
  }

  /** They are stored. */
  clear(): void {
    for (const changes of [this.devices, this.sessions, this.series, this.#gaps, this.#refusals]) changes.clear();
    this.handles.length = 0;
    this.#events = [];
    this.#undo = [];
  }

  /** They could not be stored: everything in memory is as it was. */
  undo(): void {
    for (const undo of this.#undo.reverse()) undo();
    this.clear();
  }
}
