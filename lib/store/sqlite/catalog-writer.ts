import { gapsPerDeviceMax } from "../../base/limits.ts";
import type { CatalogStep, JournalPosition } from "../store.ts";
import { addRefusal, deviceParameters, type Statements, sessionColumns, writeGap } from "./rows.ts";

/** Stores what a group has registered, as a part of its transaction. @param position of the group, or of the next one */
export function writeCatalog(sql: Statements, catalog: CatalogStep, position: JournalPosition): void {
  for (const device of catalog.devices) sql.writeDevice.run(deviceParameters(device));
  for (const session of catalog.sessions) sql.writeSession.run(sessionColumns(session));
  for (const series of catalog.series) sql.writeSeries.run(series);
  for (const [session, handle, series] of catalog.handles) {
    sql.deleteRefusedHandle.run(session, handle);
    sql.writeHandle.run(session, handle, series, position);
  }
  for (const gap of catalog.gaps ?? []) writeGap(sql, gap, gapsPerDeviceMax);
  for (const refusal of catalog.refusals ?? []) addRefusal(sql, refusal);
}
