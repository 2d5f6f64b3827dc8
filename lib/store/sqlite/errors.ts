import Database from "better-sqlite3";

/** Whether something could not be written for want of space: nothing is wrong with what is stored. */
export function isDiskFull(error: unknown): boolean {
  return error instanceof Database.SqliteError && diskFullCodes.includes(error.code);
}

/** SHMSIZE: the index of the log could not grow. */
const diskFullCodes = ["SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"];
