import type { LoadWindow, WindowPart } from "../aggregate/held-windows.ts";
import type { StoredWindows } from "../aggregate/roll-up.ts";
import type { Shard } from "../aggregate/shard.ts";
import type { Tier } from "../aggregate/tiers.ts";
import type { WindowTable } from "../aggregate/window-table.ts";
import type { DeletedDevices, DeviceDetail, DeviceFilter, GapRow, RefusalRow, StandingMark } from "./registry.ts";
import type { Selector } from "./selector.ts";

/**
 * The seams of storage. Each interface has a contract test suite (`test/store/`) that runs on every
 * implementation: SQLite, and the reference model in memory.
 */

/** Number of a group in the journal, from 1, without holes. A revision of the aggregates is the last one they show. */
export type JournalPosition = number;
export type Revision = JournalPosition;

/** What a commit survives: `fsync` a power cut, `process` the end of the process only. */
export type Durability = "fsync" | "process";

/** A sender of batches. */
export interface Device {
  /** Given by the store's writer, from 1. */
  readonly id: number;
  readonly deviceId: string;
  readonly createdAtMs: number;
  /** Those that count: `overlaid(reportedLabels, setLabels)`. */
  labels: Labels;
  /** As its latest registration gave them. */
  reportedLabels: Labels;
  /** As set in the registry. */
  setLabels: Labels;
  /** For people, as set in the registry. */
  description: string;
  /** Id of its newest session. */
  session: number;
  /** An operator has reset it: whichever spool registers next is its own, a superseded one too. */
  reset: boolean;
  /** Undefined: it is there. Nothing of a deleted device is shown, and nothing is taken for it. */
  deletedAtMs: number | undefined;
}

export type Labels = Readonly<Record<string, string>>;

/** The labels of a device: what the registry sets goes over what the device reports. */
export function overlaid(reported: Labels, set: Labels): Labels {
  return Object.keys(set).length === 0 ? reported : { ...reported, ...set };
}

/** How far a session has come. */
export interface SessionMark {
  /** Highest settled sequence. */
  ackedSequence: number;
  samplesCounted: number;
  samplesRefused: number;
  samplesLost: number;
  batchesLost: number;
  /** When its latest batch was settled; undefined: never. */
  lastSeenAtMs: number | undefined;
  /** How far its samples have come, for the watermark (`DeviceProgress`); undefined: it has had none. */
  latestEventMs: number | undefined;
  /** The latest time of its samples, but never later than their receipt; undefined: it has had none. */
  latestSampleMs: number | undefined;
}

/** One life of a device's spool. */
export interface Session extends SessionMark {
  readonly id: number;
  /** `Device.id`. */
  readonly device: number;
  /** 32 hexadecimal digits. Empty: the device was created in the registry, and has not registered yet. */
  readonly spoolId: string;
  /**
   * Series ids by metric handle. A handle keeps its series for the whole session; one that was refused has 0 until it
   * gets one.
   */
  readonly handles: Map<number, number>;
}

/** One metric of one device. */
export interface Series {
  readonly id: number;
  /** `Device.id`. */
  readonly device: number;
  readonly name: string;
  readonly kind: "gauge" | "counter";
  unit: string;
  description: string;
}

/** All that is stored of a device. */
export interface StoredDevice {
  readonly device: Device;
  /** The newest session. */
  readonly session: Session;
  readonly series: readonly Series[];
}

/** The next ids to give. */
export interface NextIds {
  device: number;
  session: number;
  series: number;
}

/** Devices, sessions and series that are new or changed. */
export interface CatalogStep {
  readonly devices: Iterable<Device>;
  /** New sessions. */
  readonly sessions: Iterable<Session>;
  readonly series: Iterable<Series>;
  /** Handles that are new, or have got a series, as [session id, metric handle, series id]. */
  readonly handles: Iterable<readonly [number, number, number]>;
  /** Batches that devices lost. */
  readonly gaps?: Iterable<GapRow>;
  /** What is added to the counts of what was refused. */
  readonly refusals?: Iterable<RefusalRow>;
}

/** A group as it lies in the journal. */
export interface JournalEntry {
  readonly position: JournalPosition;
  readonly records: Uint8Array;
}

/** When a group came, and what its samples span: whoever looks for samples need not open it. */
export interface GroupSpan {
  /** When it was admitted. */
  readonly receivedMs: number;
  /** Earliest time of the samples that count; undefined: none does. */
  readonly fromMs: number | undefined;
  /** Latest time of the samples that count. */
  readonly toMs: number | undefined;
}

export const noSpan: GroupSpan = { receivedMs: 0, fromMs: undefined, toMs: undefined };

/**
 * What is acked: what is not in all aggregates yet, and, when raw samples are kept, what has been for a while. Marks are
 * part of the records: a session stands where its last record says, or where `commitSessions` left it, whichever is
 * later.
 */
export interface Journal {
  /** Position of the latest group; 0 when there was none. */
  readonly position: JournalPosition;
  /** All aggregates show the groups up to here: no start replays them. */
  readonly settled: JournalPosition;
  /**
   * Stores a group of records, and what they refer to, in one transaction. Durable when it returns.
   * @param records undefined when only the catalog has changed; copied
   * @param catalog undefined when only records came
   * @param span of the records
   * @throws when it could not be stored: then nothing was
   */
  append(records: Uint8Array | undefined, catalog: CatalogStep | undefined, span?: GroupSpan): JournalPosition;
  /** The groups that are not settled, in order. */
  read(): Iterable<JournalEntry>;
  /** All aggregates show the groups up to a position. It never goes back. */
  settle(through: JournalPosition): void;
  /**
   * Deletes the oldest of the settled groups that are not kept as raw samples, at most `groupsMax` of them.
   * @returns how many were deleted: 0 when there is nothing left to delete
   */
  trim(nowMs: number, groupsMax: number): number;
}

/** What is in the journal. */
export interface JournalExtent {
  /** The first group that is there; one after `last` when none is. */
  readonly first: JournalPosition;
  /** The latest group that was appended. */
  readonly last: JournalPosition;
  /** When the first group came; undefined when none is there. */
  readonly receivedMs: number | undefined;
}

/** What the metric handles of a session stand for. */
export interface SessionHandles {
  /** `Device.id`. */
  readonly device: number;
  /** The last column: the first group of the journal in which the handle stands for the series. */
  readonly handles: readonly (readonly [handle: number, series: number, since: JournalPosition])[];
}

/** Reads back what is in the journal, settled or not; any number of owners, on any thread. */
export interface JournalReader {
  extent(): JournalExtent;
  /** The first group after `after`, up to `through`, that may have samples with `fromMs` <= time < `toMs`. */
  findGroup(
    after: JournalPosition,
    through: JournalPosition,
    fromMs: number,
    toMs: number,
  ): JournalPosition | undefined;
  /** The records of a group; undefined when it has been deleted. */
  readGroup(position: JournalPosition): Uint8Array | undefined;
  /** Undefined when there is no such session any more. */
  sessionHandles(session: number): SessionHandles | undefined;
  seriesRow(id: number): SeriesRow | undefined;
  close(): void;
}

/** The writing side of the aggregates: one owner, one thread. A commit need not be durable: the journal is. */
export interface AggregateStore extends StoredWindows, DeletedDevices {
  /** 32 hexadecimal digits that name this database. */
  readonly incarnation: string;
  /** As read back from the database. */
  readonly durability: Durability;
  nextIds(): NextIds;
  /** How many series there are, without those of deleted devices. */
  seriesCount(): number;
  /** One that is not deleted. */
  findDevice(deviceId: string): StoredDevice | undefined;
  findSession(id: number): Session | undefined;
  /** The session of a spool, if the device has had it. */
  findSessionOf(device: number, spoolId: string): Session | undefined;
  /** Whether the device had this session before its newest one. */
  isSuperseded(device: number, spoolId: string): boolean;
  /** How many transactions have changed what readers see of windows: stored with them. */
  readonly commits: number;
  /** Through which position the windows of a shard show the journal; a shard that is not in it: none. */
  positions(): ReadonlyMap<Shard, JournalPosition>;
  loadWindow: LoadWindow;
  /** The latest start of a stored window of the finest tier; -infinity when there is none. */
  latestStart(): number;
  /** Ids of the series that are counters. */
  counterSeries(): Iterable<number>;
  /** Stores whole windows of one shard, and that all of it shows the journal through a position, in one transaction. */
  commit(shard: Shard, through: JournalPosition, parts: readonly WindowPart[]): void;
  /** Stores windows above the tier's mark. They count when the mark has passed them. */
  storeRollUp(part: WindowPart): void;
  /** Moves the mark of a tier above the finest: its windows before `rolledMs` are stored. */
  advanceRollUp(widthMs: number, rolledMs: number): void;
  /** Stores how far sessions have come, in one transaction. */
  commitSessions(sessions: Iterable<Session>): void;
  /**
   * Deletes some of the windows that their tier no longer keeps, and that the tier above shows.
   * @returns how many were deleted: fewer than `windowsMax` when nothing is left to delete
   */
  prune(nowMs: number, windowsMax: number): number;
  /**
   * Moves what was committed from the log into the database, when the log has grown long.
   * @returns whether the log is too long, and readers keep it from being emptied
   */
  checkpoint(): boolean;
  /** Copies the database as it is at one moment into a new file; commits go on meanwhile. */
  backUp(file: string): Promise<void>;
  close(): void;
}

/** A device with its newest session's sequence and spool, and the counters of all its sessions. */
export interface DeviceRow extends Device, SessionMark {
  /** 32 hexadecimal digits; empty: it has not registered yet. */
  readonly spoolId: string;
}

/** A series with the name and the labels of its device. */
export interface SeriesRow extends Series {
  readonly deviceId: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Of a group of devices: the labels that they share. `deviceId` is empty then. */
  readonly group?: Readonly<Record<string, string>>;
}

/** Where a page of series ends. */
export interface SeriesPosition {
  readonly deviceId: string;
  readonly name: string;
}

/** Columns of windows that a reader may leave unread. Counts, watermarks and revisions always come. */
export type WindowColumn = "sums" | "m2s" | "extremes" | "firsts" | "lasts" | "counters" | "sketches";

/** Windows of a selection with `fromMs` <= start < `toMs`, by start, then by series. */
export interface RangeRequest {
  readonly selector: Selector;
  readonly widthMs: number;
  readonly fromMs: number;
  readonly toMs: number;
  /** What to read; the other columns have no meaning then. Undefined: all. */
  readonly columns?: ReadonlySet<WindowColumn> | undefined;
}

/** What a selector comes to. */
export interface Selection {
  /** Ids, ascending; undefined: all series, those that are yet to come too. */
  readonly series: Int32Array | undefined;
  /** `Device.id` of their devices, ascending; undefined: all. */
  readonly devices: Int32Array | undefined;
}

/** How far devices have come: entry `i` of each column belongs to one device. */
export interface ProgressColumns {
  /** `Device.id`. */
  readonly devices: Int32Array;
  /** NaN: never. */
  readonly lastSeenMs: Float64Array;
  /** NaN: it has had no samples. */
  readonly latestEventMs: Float64Array;
}

/**
 * What the writer holds in memory of a selection and has not stored yet, as it was at one position of the journal: a
 * query that puts it over the tables sees all that was acked, and nobody has to wait until it is stored.
 */
export interface OpenWindows {
  readonly revision: Revision;
  /** How many commits had changed the tables by then (`AggregateStore.commits`). */
  readonly commits: number;
  /** By tier: whole values, each instead of the stored one, by start, then by series. */
  readonly windows: readonly WindowTable[];
  /** Devices that have come further than the tables say. */
  readonly progress: ProgressColumns;
}

/** Which windows to copy for a query: those of the tiers up to one, with `fromMs` <= start < `toMs`. */
export interface OpenRequest extends Selection {
  readonly widthMs: number;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface RangePage {
  readonly windows: WindowTable;
  /** Series of `windows` that no earlier page of the range has told. */
  readonly series: readonly SeriesRow[];
}

/** Windows of a selection that have changed after a commit, and start before a time. */
export interface ChangedRequest {
  readonly selector: Selector;
  readonly widthMs: number;
  /** Windows of a higher revision. */
  readonly after: Revision;
  /** Infinity: windows of any start. */
  readonly beforeMs: number;
}

/** Changed windows being read. */
export interface ChangedReader {
  /** @returns undefined when everything has been read; the first page always comes. */
  next(windowsMax: number): RangePage | undefined;
}

/** A range being read. */
export interface RangeReader {
  /** Windows that start before are stored as they are; later ones are merged from the tiers below. Infinity: all are. */
  readonly storedUntilMs: number;
  /** @returns undefined when everything has been read; the first page always comes. */
  next(windowsMax: number): RangePage | undefined;
}

/**
 * The reading side: any number of owners, on any thread; sees what is committed, whole commits only, and nothing of
 * devices that are deleted.
 */
export interface AggregateReader {
  readonly tiers: readonly Tier[];
  /** Devices with an id above `after`, by id. */
  devices(after: string, limit: number, filter?: DeviceFilter): DeviceRow[];
  /** Those of the devices that are there, by id. @param marks that the tables may not show yet */
  devicesOf(deviceIds: readonly string[], marks: readonly StandingMark[]): DeviceRow[];
  /** How many devices there are. */
  deviceCount(): number;
  /** @param marks that the tables may not show yet */
  deviceDetail(deviceId: string, marks: readonly StandingMark[]): DeviceDetail | undefined;
  /** Series above `after`, by device id and name. */
  series(selector: Selector, after: SeriesPosition | undefined, limit: number): SeriesRow[];
  /** Those of the ids that no device has. */
  unknownDevices(deviceIds: readonly string[]): string[];
  select(selector: Selector): Selection;
  /** How far devices (`Device.id`, ascending; undefined: all) have come. */
  progress(devices: Int32Array | undefined): ProgressColumns;
  /**
   * @param selection of the request's selector, when that is known already
   * @param open put over the tables, where it is not older than they are
   */
  openRange(request: RangeRequest, selection?: Selection, open?: OpenWindows): RangeReader;
  /**
   * What changed since, found by commit: what it reads is what changed, however much there is. Each window comes once,
   * as it is when its page is read, those of counters with the last sample of the window just before. What changes
   * while it is read may be missed.
   */
  openChanged(request: ChangedRequest): ChangedReader;
  close(): void;
}

/** Windows that journalled groups changed, with their whole values. */
export interface WindowChanges {
  readonly revision: Revision;
  readonly widthMs: number;
  readonly windows: WindowTable;
  /** Series of `windows` that the feed has not been told before. */
  readonly series: readonly SeriesRow[];
}
