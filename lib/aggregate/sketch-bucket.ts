/**
 * The buckets of a sketch: which one a value falls into, and which value stands for it. A bucket's key rises with
 * its values: negative values have keys below 0, zero has key 0, positive values have keys above.
 *
 * DDSketch (Masson, Rim, Lee, VLDB 2019, https://arxiv.org/abs/1908.10693) makes bucket `i` of the values from
 * `γ^i` to `γ^(i+1)`. Any value in it is within `α` of its middle `2γ^(i+1) / (γ+1)`, when `γ = (1+α) / (1-α)`.
 * Instead of the logarithm this takes the exponent and a cubic of the mantissa, as the paper's authors do in
 * https://github.com/DataDog/sketches-java (CubicallyInterpolatedMapping): for `x = (1+s) 2^e` it is
 *
 *     L(x) = e + P(s),  P(s) = ((6/35 s - 3/5) s + 10/7) s,  P(0) = 0, P(1) = 1
 *
 * Its slope over `ln x` is `(1+s) P'(s)`, between 10/7 and 52/35, so that it takes 1 % more buckets than the
 * logarithm; `α` = 1 % would need `1 / (10/7 ln γ)` = 34.999 buckets for each doubling. With 35 the coefficients are
 * whole and every power of two begins a bucket. Of the mantissa the upper 20 bits do: the edges are exact multiples
 * of 2^-20, and the tests check every bucket's width. It takes a third of the time of `Math.log` (2.7 and
 * 8 ns, `bench/micro/sketch.ts`), and other than `Math.log` is by its definition the same on every machine.
 */

/** Buckets from a power of two to the next. */
const bucketsPerDoubling = 35;
/** Of the largest double; the least key is its negative. */
export const bucketKeyMax = bucketsPerDoubling * 2046;

/**
 * A sketch keeps its positive values' buckets from the largest down to this many, 17.6 decades; smaller values count
 * as being in the lowest of these. Negative values likewise by magnitude. Which buckets are kept depends on the
 * largest alone, and so not on the order of samples.
 */
export const sketchBucketsMax = 2_048;
/** Of both signs, and zero. */
export const sketchEntriesMax = 2 * sketchBucketsMax + 1;

/** One double, and its upper half: sign, 11 bits of exponent, 20 of mantissa. Typed arrays of Node are little-endian. */
const double = new Float64Array(1);
const halves = new Int32Array(double.buffer);
const mantissas = 2 ** 20;
const mantissaMask = mantissas - 1;
const mantissaUnit = 2 ** -20;

/**
 * The key of a value's bucket.
 * @param value finite; nearer to zero than the smallest normal double, 2.2e-308, it counts as zero
 */
export function bucketKey(value: number): number {
  double[0] = value;
  const upper = halves[1];
  const exponent = (upper >>> 20) & 0x7ff;
  if (exponent === 0) return 0;
  const key = bucketsPerDoubling * (exponent - 1) + mantissaBucket(upper & mantissaMask) + 1;
  return upper < 0 ? -key : key;
}

/** The value within 1 % of every value of a bucket. */
export function bucketValue(key: number): number {
  if (key === 0) return 0;
  const index = Math.abs(key) - 1;
  const exponent = Math.trunc(index / bucketsPerDoubling) + 1;
  double[0] = middles[index % bucketsPerDoubling];
  // The middles have the exponent of 1, which is 1,023.
  halves[1] += (exponent - 1_023) << 20;
  return key < 0 ? -double[0] : double[0];
}

/** `35 P(s)`, rounded down. @param mantissa `s` in units of 2^-20 */
function mantissaBucket(mantissa: number): number {
  const s = mantissa * mantissaUnit;
  return (((6 * s - 21) * s + 50) * s) | 0;
}

/** For the buckets from 1 to 2: the value that is off by an equal factor from both edges, `2 low high / (low + high)`. */
const middles = Float64Array.from({ length: bucketsPerDoubling }, (_, bucket) => {
  const low = 1 + firstMantissa(bucket) * mantissaUnit;
  const high = 1 + firstMantissa(bucket + 1) * mantissaUnit;
  return (2 * low * high) / (low + high);
});

/** The smallest mantissa of a bucket, by halving. */
function firstMantissa(bucket: number): number {
  let low = 0;
  let high = mantissas;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (mantissaBucket(middle) < bucket) low = middle + 1;
    else high = middle;
  }
  return low;
}
