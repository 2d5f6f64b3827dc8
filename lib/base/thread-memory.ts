/** Memory of one thread, in bytes. */
export interface ThreadMemory {
  /** Of JavaScript's heap, what is used; some of it may be garbage. */
  readonly heapUsed: number;
  /** Outside of it: buffers, and what libraries say that they hold. */
  readonly external: number;
}

/** Of the thread that asks. */
export function threadMemory(): ThreadMemory {
  const { heapUsed, external } = process.memoryUsage();
  return { heapUsed, external };
}
