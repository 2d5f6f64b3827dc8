import type { Database } from "better-sqlite3";
import type { Durability } from "../store.ts";

/** The transactions of the connection that writes, and whether the disk has them when they return. */
export class Transactions {
  readonly db: Database;
  /** As read back from the connection. */
  readonly durability: Durability;
  #fsyncs = 0;
  #count = 0;

  constructor(db: Database) {
    this.db = db;
    this.durability = db.pragma("synchronous", { simple: true }) === synchronousFull ? "fsync" : "process";
  }

  /** Of the log, one for each `durable` transaction. */
  get fsyncs(): number {
    return this.#fsyncs;
  }

  /** How many there were, whatever became of them. */
  get count(): number {
    return this.#count;
  }

  /** It, and all before it, is as durable as was asked for when this returns. @throws when it could not be: nothing is */
  durable(run: () => void): void {
    this.#count += 1;
    // better-sqlite3 rolls back when the function throws, COMMIT included.
    this.db.transaction(run)();
    if (this.durability === "fsync") this.#fsyncs += 1;
  }

  /**
   * It need not be on disk when this returns: the journal still has what it stores. The log keeps the order, so a later
   * fsync brings it to disk before anything that builds on it.
   */
  lazy(run: () => void): void {
    this.#count += 1;
    if (this.durability === "fsync") this.db.pragma("synchronous = NORMAL");
    try {
      this.db.transaction(run)();
    } finally {
      if (this.durability === "fsync") this.db.pragma("synchronous = FULL");
    }
  }
}

const synchronousFull = 2;
