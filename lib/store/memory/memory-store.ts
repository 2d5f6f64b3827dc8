import type { WindowPart } from "../../aggregate/held-windows.ts";
import { mergeBelow, type SeriesRange } from "../../aggregate/roll-up.ts";
import type { Shard } from "../../aggregate/shard.ts";
import { keptFromMs, type Tier, windowStart } from "../../aggregate/tiers.ts";
import { TierWindows } from "../../aggregate/window-set.ts";
import { copyWindow, createWindowTable, setWindow, type WindowTable } from "../../aggregate/window-table.ts";
import { gapsPerDeviceMax } from "../../base/limits.ts";
import { foldMark, latest } from "../marks.ts";
import { isOver, type RawRetention } from "../raw-retention.ts";
import type { DeviceDetail, DeviceFilter, GapRow, PurgePosition, RefusalRow, StandingMark } from "../registry.ts";
import { matches, matchesDevice, type Selector } from "../selector.ts";
import {
  type AggregateReader,
  type AggregateStore,
  type CatalogStep,
  type ChangedReader,
  type ChangedRequest,
  type Device,
  type DeviceRow,
  type GroupSpan,
  type Journal,
  type JournalEntry,
  type JournalExtent,
  type JournalPosition,
  type JournalReader,
  type NextIds,
  noSpan,
  type OpenWindows,
  type ProgressColumns,
  type RangePage,
  type RangeReader,
  type RangeRequest,
  type Selection,
  type Series,
  type SeriesPosition,
  type SeriesRow,
  type Session,
  type SessionHandles,
  type StoredDevice,
} from "../store.ts";

/**
 * The reference model: what the stores must do, in the fewest words. Nothing here is fast, bounded or
 * durable; tests hold the other stores and the pipeline against it.
 */
export class MemoryStore implements AggregateStore, Journal, AggregateReader, JournalReader {
  readonly incarnation = "0".repeat(32);
  readonly durability = "process";
  readonly tiers: readonly Tier[];
  readonly rolledMs: number[];
  position: JournalPosition = 0;
  settled: JournalPosition = 0;
  commits = 0;
  readonly #keepRaw: RawRetention | undefined;
  readonly #journal: (JournalEntry & { readonly span: GroupSpan })[] = [];
  /** By session and handle. */
  readonly #handlesSince = new Map<string, JournalPosition>();
  readonly #positions = new Map<Shard, JournalPosition>();
  /** By `Device.id`, deleted ones too. */
  readonly #devices = new Map<number, Device>();
  readonly #purged = new Set<number>();
  readonly #gaps: GapRow[] = [];
  readonly #refusals = new Map<string, RefusalRow>();
  #nextIds: NextIds = { device: 1, session: 1, series: 1 };
  readonly #sessions = new Map<number, Session>();
  readonly #series = new Map<number, Series>();
  #windows = new Map<string, { tier: Tier; table: WindowTable }>();

  constructor(tiers: readonly Tier[], keepRaw?: RawRetention) {
    this.tiers = tiers;
    this.#keepRaw = keepRaw;
    this.rolledMs = tiers.map((_, t) => (t === 0 ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY));
  }

  nextIds(): NextIds {
    return { ...this.#nextIds };
  }

  seriesCount(): number {
    const live = new Set(this.#live().map(({ id }) => id));
    return [...this.#series.values()].filter(({ device }) => live.has(device)).length;
  }

  findDevice(deviceId: string): StoredDevice | undefined {
    const device = this.#live().find((each) => each.deviceId === deviceId);
    if (device === undefined) return undefined;
    const session = this.#sessions.get(device.session);
    if (session === undefined) throw new Error("a device has a session");
    const series = [...this.#series.values()].filter((each) => each.device === device.id);
    return structuredClone({ device, session, series });
  }

  findSession(id: number): Session | undefined {
    return structuredClone(this.#sessions.get(id));
  }

  findSessionOf(device: number, spoolId: string): Session | undefined {
    const found = [...this.#sessions.values()].find((each) => each.device === device && each.spoolId === spoolId);
    return found === undefined ? undefined : this.findSession(found.id);
  }

  isSuperseded(device: number, spoolId: string): boolean {
    const newest = this.#devices.get(device)?.session;
    return [...this.#sessions.values()].some(
      (each) => each.device === device && each.spoolId === spoolId && each.id !== newest,
    );
  }

  append(records: Uint8Array | undefined, catalog: CatalogStep | undefined, span: GroupSpan = noSpan): JournalPosition {
    if (catalog !== undefined) this.#writeCatalog(catalog);
    if (records !== undefined) {
      this.position += 1;
      this.#journal.push({ position: this.position, records: Uint8Array.from(records), span });
    }
    return this.position;
  }

  #writeCatalog(catalog: CatalogStep): void {
    const next = (id: number, after: number) => Math.max(id, after + 1);
    for (const device of catalog.devices) {
      this.#devices.set(device.id, structuredClone(device));
      this.#nextIds.device = next(this.#nextIds.device, device.id);
    }
    this.commitSessions(catalog.sessions);
    for (const series of catalog.series) {
      this.#series.set(series.id, structuredClone(series));
      this.#nextIds.series = next(this.#nextIds.series, series.id);
    }
    this.#gaps.push(...(catalog.gaps ?? []));
    for (const refusal of catalog.refusals ?? []) this.#addRefusal(refusal);
    for (const [session, handle, series] of catalog.handles) {
      this.#sessions.get(session)?.handles.set(handle, series);
      this.#handlesSince.set(`${session}/${handle}`, this.position + 1);
    }
  }

  read(): Iterable<JournalEntry> {
    const unsettled = this.#journal.filter(({ position }) => position > this.settled);
    return unsettled.map(({ position, records }) => ({ position, records }));
  }

  settle(through: JournalPosition): void {
    this.settled = Math.max(this.settled, Math.min(through, this.position));
  }

  trim(nowMs: number, groupsMax: number): number {
    let deleted = 0;
    while (deleted < groupsMax && this.#isTrimmable(nowMs)) {
      this.#journal.shift();
      deleted += 1;
    }
    return deleted;
  }

  #isTrimmable(nowMs: number): boolean {
    const [oldest] = this.#journal;
    if (oldest === undefined || oldest.position > this.settled) return false;
    const bytes = this.#journal.reduce((sum, { records }) => sum + records.length, 0);
    return this.#keepRaw === undefined || isOver(this.#keepRaw, oldest.span.receivedMs, bytes, nowMs);
  }

  extent(): JournalExtent {
    const [first] = this.#journal;
    return { first: first?.position ?? this.position + 1, last: this.position, receivedMs: first?.span.receivedMs };
  }

  findGroup(
    after: JournalPosition,
    through: JournalPosition,
    rangeFromMs: number,
    rangeToMs: number,
  ): JournalPosition | undefined {
    return this.#journal.find(({ position, span: { fromMs, toMs } }) => {
      if (position <= after || position > through || fromMs === undefined || toMs === undefined) return false;
      return fromMs < rangeToMs && toMs >= rangeFromMs;
    })?.position;
  }

  readGroup(position: JournalPosition): Uint8Array | undefined {
    return this.#journal.find((entry) => entry.position === position)?.records;
  }

  sessionHandles(session: number): SessionHandles | undefined {
    const found = this.#sessions.get(session);
    if (found === undefined) return undefined;
    const handles = [...found.handles].map(([handle, series]) => {
      return [handle, series, this.#handlesSince.get(`${session}/${handle}`) ?? 0] as const;
    });
    return { device: found.device, handles };
  }

  seriesRow(id: number): SeriesRow | undefined {
    const series = this.#series.get(id);
    const device = this.#live().find((each) => each.id === series?.device);
    if (series === undefined || device === undefined) return undefined;
    return { ...series, deviceId: device.deviceId, labels: device.labels };
  }

  positions(): ReadonlyMap<Shard, JournalPosition> {
    return new Map(this.#positions);
  }

  loadWindow = (widthMs: number, startMs: number, series: number, into: WindowTable, at: number): boolean => {
    const stored = this.#windows.get(windowKey(widthMs, startMs, series));
    if (stored !== undefined) setWindow(into, at, stored.table, 0);
    return stored !== undefined;
  };

  latestStart(): number {
    return Math.max(...this.#windowsOf(this.tiers[0].widthMs).map((table) => table.starts[0]));
  }

  counterSeries(): Iterable<number> {
    return [...this.#series.values()].filter(({ kind }) => kind === "counter").map(({ id }) => id);
  }

  nextStart(widthMs: number, fromMs: number, toMs: number): number | undefined {
    let next: number | undefined;
    for (const { tier, table } of this.#windows.values()) {
      const startMs = table.starts[0];
      if (tier.widthMs !== widthMs || startMs < fromMs || startMs >= toMs) continue;
      if (next === undefined || startMs < next) next = startMs;
    }
    return next;
  }

  readWindows(widthMs: number, startMs: number, first: number, last: number, into: WindowTable): void {
    const found: WindowTable[] = [];
    for (const { tier, table } of this.#windows.values()) {
      if (tier.widthMs !== widthMs || table.starts[0] !== startMs) continue;
      if (table.series[0] >= first && table.series[0] <= last) found.push(table);
    }
    found.sort((a, b) => a.series[0] - b.series[0]);
    for (const table of found) copyWindow(table, 0, into);
  }

  commit(shard: Shard, through: JournalPosition, parts: readonly WindowPart[]): void {
    this.commits += 1;
    for (const part of parts) this.#storeWindows(part);
    this.#positions.set(shard, through);
  }

  storeRollUp(part: WindowPart): void {
    this.commits += 1;
    this.#storeWindows(part);
  }

  advanceRollUp(widthMs: number, rolledMs: number): void {
    this.commits += 1;
    this.rolledMs[this.tiers.findIndex((tier) => tier.widthMs === widthMs)] = rolledMs;
  }

  commitSessions(sessions: Iterable<Session>): void {
    // Handles are the catalog's.
    for (const session of sessions) {
      const handles = this.#sessions.get(session.id)?.handles ?? new Map<number, number>();
      this.#sessions.set(session.id, { ...session, handles });
      this.#nextIds.session = Math.max(this.#nextIds.session, session.id + 1);
    }
  }

  prune(nowMs: number, windowsMax: number): number {
    const old = [...this.#windows].filter(([, { tier, table }]) => {
      const shownMs = this.rolledMs[this.tiers.indexOf(tier) + 1] ?? Number.POSITIVE_INFINITY;
      return table.starts[0] < Math.min(keptFromMs(tier, nowMs), shownMs);
    });
    for (const [key] of old.slice(0, windowsMax)) this.#windows.delete(key);
    if (old.length > 0) this.commits += 1;
    return Math.min(old.length, windowsMax);
  }

  findDeleted(deviceId: string): Device | undefined {
    const deleted = [...this.#devices.values()].filter(
      (device) => device.deviceId === deviceId && device.deletedAtMs !== undefined,
    );
    return structuredClone(deleted.sort((a, b) => a.id - b.id).at(-1));
  }

  sessionsOf(device: number): Session[] {
    const sessions = [...this.#sessions.values()].filter((session) => session.device === device);
    return sessions.sort((a, b) => a.id - b.id).map((session) => ({ ...session, handles: new Map() }));
  }

  unpurgedDevices(): number[] {
    return [...this.#devices.values()]
      .filter((device) => device.deletedAtMs !== undefined)
      .filter((device) => !this.#purged.has(device.id) || this.#isReplaced(device))
      .map(({ id }) => id)
      .sort((a, b) => a - b);
  }

  seriesOf(devices: readonly number[]): number[] {
    const series = [...this.#series.values()].filter(({ device }) => devices.includes(device));
    return series.map(({ id }) => id).sort((a, b) => a - b);
  }

  purgeWindows(
    widthMs: number,
    from: PurgePosition | undefined,
    runs: readonly SeriesRange[],
    stepsMax: number,
  ): PurgePosition | undefined {
    const left = [...this.#windows].filter(([, { tier, table }]) => {
      const [series, startMs] = [table.series[0], table.starts[0]];
      const isThere = tier.widthMs === widthMs && startMs >= (from?.startMs ?? Number.NEGATIVE_INFINITY);
      return isThere && runs.some(({ first, last }) => series >= first && series <= last);
    });
    left.sort(([, a], [, b]) => a.table.starts[0] - b.table.starts[0]);
    for (const [key] of left.slice(0, stepsMax)) this.#windows.delete(key);
    const next = left[stepsMax];
    return next && { startMs: next[1].table.starts[0], run: 0 };
  }

  purgeCatalog(devices: readonly number[], rowsMax: number): boolean {
    const left = this.seriesOf(devices);
    for (const id of left.slice(0, rowsMax)) this.#series.delete(id);
    if (left.length > rowsMax) return false;
    for (const session of this.#sessions.values()) if (devices.includes(session.device)) session.handles.clear();
    for (let i = this.#gaps.length - 1; i >= 0; i -= 1) {
      if (devices.includes(this.#gaps[i].device)) this.#gaps.splice(i, 1);
    }
    for (const [key, { device }] of this.#refusals) if (devices.includes(device)) this.#refusals.delete(key);
    for (const id of devices) {
      const device = this.#devices.get(id);
      if (device?.deletedAtMs === undefined) continue;
      this.#purged.add(id);
      if (!this.#isReplaced(device)) continue;
      this.#devices.delete(id);
      for (const session of this.sessionsOf(id)) this.#sessions.delete(session.id);
    }
    return true;
  }

  #isReplaced({ id, deviceId }: Device): boolean {
    return [...this.#devices.values()].some((each) => each.deviceId === deviceId && each.id > id);
  }

  #live(): Device[] {
    return [...this.#devices.values()].filter(({ deletedAtMs }) => deletedAtMs === undefined);
  }

  #addRefusal({ device, reason, samples, batches }: RefusalRow): void {
    const key = `${device}/${reason}`;
    const before = this.#refusals.get(key) ?? { samples: 0, batches: 0 };
    this.#refusals.set(key, { device, reason, samples: before.samples + samples, batches: before.batches + batches });
  }

  checkpoint(): boolean {
    return false;
  }

  async backUp(): Promise<void> {
    throw new Error("there is nothing on disk to copy");
  }

  devices(after: string, limit: number, filter: DeviceFilter = {}): DeviceRow[] {
    return this.#live()
      .filter((device) => compare(device.deviceId, after) > 0)
      .filter((device) => matchesDevice({ deviceIds: undefined, ...filter }, device))
      .sort((a, b) => compare(a.deviceId, b.deviceId))
      .slice(0, limit)
      .map((device) => this.#deviceRow(device));
  }

  devicesOf(deviceIds: readonly string[], marks: readonly StandingMark[]): DeviceRow[] {
    return this.devices("", Number.MAX_SAFE_INTEGER)
      .filter((row) => deviceIds.includes(row.deviceId))
      .map((row) =>
        marks.filter(({ device }) => device === row.id).reduce((each, mark) => this.#fold(each, mark), row),
      );
  }

  #fold(row: DeviceRow, mark: StandingMark): DeviceRow {
    const stored = this.#sessions.get(mark.id);
    return stored === undefined ? row : foldMark(row, stored, mark);
  }

  deviceCount(): number {
    return this.#live().length;
  }

  deviceDetail(deviceId: string, marks: readonly StandingMark[]): DeviceDetail | undefined {
    const [device] = this.devicesOf([deviceId], marks);
    if (device === undefined) return undefined;
    const refusals = [...this.#refusals.values()].filter((row) => row.device === device.id);
    return structuredClone({
      device,
      gaps: this.#gaps
        .filter((gap) => gap.device === device.id)
        .toReversed()
        .slice(0, gapsPerDeviceMax),
      refusals: refusals.sort((a, b) => a.reason - b.reason),
      series: this.seriesOf([device.id]).length,
      sessions: this.sessionsOf(device.id).filter(({ spoolId }) => spoolId !== "").length,
    });
  }

  series(selector: Selector, after: SeriesPosition | undefined, limit: number): SeriesRow[] {
    const devices = new Map(this.#live().map((device) => [device.id, device]));
    return [...this.#series.values()]
      .flatMap((series) => {
        const device = devices.get(series.device);
        return device === undefined ? [] : [{ ...series, deviceId: device.deviceId, labels: device.labels }];
      })
      .filter((row) => matches(selector, row))
      .filter((row) => after === undefined || compareSeries(row, after) > 0)
      .sort(compareSeries)
      .slice(0, limit);
  }

  unknownDevices(deviceIds: readonly string[]): string[] {
    const known = new Set(this.#live().map(({ deviceId }) => deviceId));
    return deviceIds.filter((id) => !known.has(id));
  }

  select(selector: Selector): Selection {
    const isEvery = Object.values(selector).every((part) => part === undefined);
    if (isEvery && this.unpurgedDevices().length === 0) return { series: undefined, devices: undefined };
    const rows = this.series(selector, undefined, Number.MAX_SAFE_INTEGER);
    return {
      series: Int32Array.from(rows, ({ id }) => id).sort(),
      devices: Int32Array.from(new Set(rows.map(({ device }) => device))).sort(),
    };
  }

  progress(devices: Int32Array | undefined): ProgressColumns {
    const rows = this.#live()
      .filter(({ id }) => devices?.includes(id) ?? true)
      .map((device) => this.#deviceRow(device));
    return {
      devices: Int32Array.from(rows, ({ id }) => id),
      lastSeenMs: Float64Array.from(rows, ({ lastSeenAtMs }) => lastSeenAtMs ?? Number.NaN),
      latestEventMs: Float64Array.from(rows, ({ latestEventMs }) => latestEventMs ?? Number.NaN),
    };
  }

  openRange(request: RangeRequest, _selection?: Selection, open?: OpenWindows): RangeReader {
    const over = this.#withOpen(open);
    const rows = new Map(this.series(request.selector, undefined, Number.MAX_SAFE_INTEGER).map((row) => [row.id, row]));
    const fromMs = windowStart(request.fromMs, request.widthMs);
    const found = over
      .#windowsOfTier(request.widthMs)
      .filter((table) => rows.has(table.series[0]))
      .filter((table) => table.starts[0] >= fromMs && table.starts[0] < request.toMs)
      .sort((a, b) => a.starts[0] - b.starts[0] || a.series[0] - b.series[0]);
    const storedUntilMs = this.rolledMs[this.tiers.findIndex(({ widthMs }) => widthMs === request.widthMs)];
    return { storedUntilMs, ...pagesOf(found, rows) };
  }

  openChanged({ selector, widthMs, after, beforeMs }: ChangedRequest): ChangedReader {
    const rows = new Map(this.series(selector, undefined, Number.MAX_SAFE_INTEGER).map((row) => [row.id, row]));
    const all = this.#windowsOfTier(widthMs).filter((table) => rows.has(table.series[0]));
    const changed = all.filter((table) => table.revisions[0] > after && table.starts[0] < beforeMs);
    const found = changed.map(copyOf);
    for (const table of found) {
      if (rows.get(table.series[0])?.kind !== "counter") continue;
      const before = all.find((each) => {
        return each.series[0] === table.series[0] && each.starts[0] === table.starts[0] - widthMs;
      });
      table.valuesBefore[0] = before?.lasts[0] ?? Number.NaN;
      table.timesBeforeMs[0] = before?.lastTimesMs[0] ?? Number.NaN;
    }
    return pagesOf(found, rows);
  }

  close(): void {}

  /** As it would be if the open windows that are newer were stored. */
  #withOpen(open: OpenWindows | undefined): MemoryStore {
    const over = new MemoryStore(this.tiers);
    over.#windows = new Map(this.#windows);
    over.rolledMs.splice(0, this.rolledMs.length, ...this.rolledMs);
    for (const [t, table] of (open?.windows ?? []).entries()) {
      for (let at = 0; at < table.length; at += 1) {
        const { widthMs } = this.tiers[t];
        const before = this.#windows.get(windowKey(widthMs, table.starts[at], table.series[at]));
        if (before !== undefined && before.table.revisions[0] > table.revisions[at]) continue;
        over.#storeWindows({ widthMs, table, rows: [at] });
      }
    }
    return over;
  }

  #deviceRow(device: Device): DeviceRow {
    const sessions = [...this.#sessions.values()].filter((session) => session.device === device.id);
    const sum = (of: (session: Session) => number) => sessions.reduce((total, session) => total + of(session), 0);
    const newest = sessions.find((session) => session.id === device.session);
    const last = (of: (session: Session) => number | undefined) => sessions.map(of).reduce(latest, undefined);
    return {
      ...device,
      spoolId: newest?.spoolId ?? "",
      ackedSequence: newest?.ackedSequence ?? 0,
      samplesCounted: sum((session) => session.samplesCounted),
      samplesRefused: sum((session) => session.samplesRefused),
      samplesLost: sum((session) => session.samplesLost),
      batchesLost: sum((session) => session.batchesLost),
      lastSeenAtMs: last((session) => session.lastSeenAtMs),
      latestEventMs: last((session) => session.latestEventMs),
      latestSampleMs: last((session) => session.latestSampleMs),
    };
  }

  #storeWindows({ widthMs, table, rows }: WindowPart): void {
    const tier = this.tiers.find((each) => each.widthMs === widthMs);
    if (tier === undefined) return;
    for (const at of rows ?? Array.from({ length: table.length }, (_, i) => i)) {
      if (table.counts[at] === 0) continue;
      const stored = createWindowTable(1);
      copyWindow(table, at, stored);
      this.#windows.set(windowKey(widthMs, table.starts[at], table.series[at]), { tier, table: stored });
    }
  }

  /** All windows of a tier: those that are stored, and those that the tiers below make. */
  #windowsOfTier(widthMs: number): WindowTable[] {
    const t = this.tiers.findIndex((tier) => tier.widthMs === widthMs);
    const rolledMs = this.rolledMs[t];
    const stored = this.#windowsOf(widthMs).filter((table) => table.starts[0] < rolledMs);
    if (t === 0) return stored;
    const starts = this.tiers
      .slice(0, t)
      .flatMap((tier) => this.#windowsOf(tier.widthMs).map(({ starts }) => starts[0]));
    const open = new Set(
      starts.map((startMs) => windowStart(startMs, widthMs)).filter((startMs) => startMs >= rolledMs),
    );
    const merged = [...open].flatMap((startMs) => {
      const into = new TierWindows(widthMs);
      mergeBelow(this, t, startMs, { first: 0, last: Number.MAX_SAFE_INTEGER }, Number.POSITIVE_INFINITY, into);
      return Array.from({ length: into.table.length }, (_, i) => {
        const table = createWindowTable(1);
        copyWindow(into.table, i, table);
        return table;
      });
    });
    return [...stored, ...merged];
  }

  #windowsOf(widthMs: number): WindowTable[] {
    return [...this.#windows.values()].filter(({ tier }) => tier.widthMs === widthMs).map(({ table }) => table);
  }
}

function copyOf(table: WindowTable): WindowTable {
  const copy = createWindowTable(1);
  copyWindow(table, 0, copy);
  return copy;
}

/** @param found windows, a table each */
function pagesOf(found: WindowTable[], rows: ReadonlyMap<number, SeriesRow>): ChangedReader {
  const told = new Set<number>();
  let first = true;
  const next = (windowsMax: number): RangePage | undefined => {
    if (!first && found.length === 0) return undefined;
    first = false;
    const windows = createWindowTable();
    for (const table of found.splice(0, windowsMax)) copyWindow(table, 0, windows);
    const ids = new Set(windows.series.subarray(0, windows.length));
    const series = [...rows.values()].filter((row) => ids.has(row.id) && !told.has(row.id));
    for (const row of series) told.add(row.id);
    return { windows, series };
  };
  return { next };
}

function windowKey(widthMs: number, startMs: number, series: number): string {
  return `${widthMs}/${startMs}/${series}`;
}

function compare(a: string, b: string): number {
  // By UTF-8 bytes, as SQLite compares text.
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function compareSeries(a: SeriesPosition, b: SeriesPosition): number {
  return compare(a.deviceId, b.deviceId) || compare(a.name, b.name);
}
