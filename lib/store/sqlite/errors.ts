import Database from "better-sqlite3";
import { NoSpaceError } from "../segments/no-space-error.ts";

/** Whether something could not be written for want of space: nothing is wrong with what is stored. */
export function isDiskFull(error: unknown): boolean {
  if (error instanceof Database.SqliteError) return diskFullCodes.includes(error.code);
  return error instanceof NoSpaceError;
}

/** SHMSIZE: the index of the log could not grow. */
const diskFullCodes = ["SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"];
