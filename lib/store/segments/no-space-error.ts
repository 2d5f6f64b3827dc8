/** A segment could not be written for want of space on its disk. */
export class NoSpaceError extends Error {
  constructor(cause: unknown) {
    super("the disk has no space for the journal", { cause });
    this.name = "NoSpaceError";
  }
}
