/**
 * Keeps a sum inside the doubles. Infinity would become NaN at the next merge, which SQLite stores as
 * NULL; a sum this large has lost its meaning anyway, its window's other values have not.
 */
export function saturate(sum: number): number {
  return Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, sum));
}
