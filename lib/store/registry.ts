import type { SeriesRange } from "../aggregate/roll-up.ts";
import type { Connection } from "./device-feed.ts";
import type { Selector } from "./selector.ts";
import type { Device, DeviceRow, Session, SessionMark } from "./store.ts";

/** What the stores keep of devices besides their sessions and series. */

/** Which devices to list. */
export type DeviceFilter = Pick<Selector, "deviceIdPrefixes" | "labels">;

/** A run of batches that a device lost before it could send them. */
export interface GapRow {
  /** `Device.id`. */
  readonly device: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** Samples that they held; 0: not known. */
  readonly samples: number;
  /** `GapReason`. */
  readonly reason: number;
  /** When the server was told. */
  readonly recordedAtMs: number;
}

/** What was refused of a device for one reason. */
export interface RefusalRow {
  /** `Device.id`. */
  readonly device: number;
  /** `RefusalReason`. */
  readonly reason: number;
  /** Without those of batches that were refused whole: it is not known how many they had. */
  readonly samples: number;
  /** Batches of which some samples, or all, were refused. */
  readonly batches: number;
}

/** How far a session has come by what is in the journal; the tables follow. */
export interface StandingMark extends SessionMark {
  /** `Session.id`. */
  readonly id: number;
  /** `Device.id`. */
  readonly device: number;
}

/** What the writer knows of devices beyond what the tables show. */
export interface Standing {
  /** By device id; one that is not there is on no call. */
  readonly connections: ReadonlyMap<string, Connection>;
  readonly marks: readonly StandingMark[];
}

/** All that is told of one device. */
export interface DeviceDetail {
  readonly device: DeviceRow;
  /** The latest first, at most `gapsPerDeviceMax`. */
  readonly gaps: readonly GapRow[];
  /** By reason. */
  readonly refusals: readonly RefusalRow[];
  readonly series: number;
  /** Sessions that it has had. */
  readonly sessions: number;
}

/** Where a purge of windows goes on: at a start, with a run of series. */
export interface PurgePosition {
  readonly startMs: number;
  readonly run: number;
}

/**
 * Devices that are deleted: nobody is shown them any more. Their series, handles and windows are purged when nothing in
 * the journal can bring them back. Their sessions stay until the device has been created again: its senders go on where
 * they were.
 */
export interface DeletedDevices {
  /** The one that was deleted last by this id. */
  findDeleted(deviceId: string): Device | undefined;
  /** All of a device's, without their handles, in the order of their ids. */
  sessionsOf(device: number): Session[];
  /** Ids of deleted devices of which something is left to purge, in the order of their ids. */
  unpurgedDevices(): number[];
  /** Ids of the series of devices, in their order. */
  seriesOf(devices: readonly number[]): number[];
  /**
   * Deletes some of the windows of a tier that are of these series.
   * @param from where the last step ended; undefined: at the tier's first window
   * @param stepsMax rows that are deleted and places that are looked at, together
   * @returns where to go on; undefined when the tier has none left
   */
  purgeWindows(
    widthMs: number,
    from: PurgePosition | undefined,
    runs: readonly SeriesRange[],
    stepsMax: number,
  ): PurgePosition | undefined;
  /**
   * Deletes some of the other rows of deleted devices without windows, and those of the devices themselves that were
   * created again.
   * @returns whether nothing is left to delete
   */
  purgeCatalog(devices: readonly number[], rowsMax: number): boolean;
}
