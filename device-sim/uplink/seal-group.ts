/** Something that keeps what is sealed. `commit` returns when it is kept. */
export interface Keeper {
  commit(): void;
}

interface Sealed {
  readonly release: () => void;
  readonly fail: (error: unknown) => void;
}

/**
 * What is sealed in one turn of the event loop is kept in one go, by each keeper in turn, and only then may
 * it be sent: one fsync for many devices.
 */
export class SealGroup {
  readonly #keepers: readonly Keeper[];
  #sealed: Sealed[] = [];

  /** @param keepers without one, what is sealed may be sent at once */
  constructor(keepers: readonly Keeper[] = []) {
    this.#keepers = keepers;
  }

  /** Calls one of the two, once: when what was sealed is kept, or cannot be. */
  add(release: () => void, fail: (error: unknown) => void): void {
    if (this.#keepers.length === 0) {
      release();
      return;
    }
    if (this.#sealed.push({ release, fail }) === 1) setImmediate(() => this.commit());
  }

  /** Keeps the group as it is now. */
  commit(): void {
    const sealed = this.#sealed;
    this.#sealed = [];
    try {
      for (const keeper of this.#keepers) keeper.commit();
    } catch (error) {
      for (const { fail } of sealed) fail(error);
      return;
    }
    for (const { release } of sealed) release();
  }
}
