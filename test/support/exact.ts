/** Sums and quotients of doubles without rounding, but for the last step. */

/** Every finite double is a whole number of these. */
const unitsPerOne = 1074n;

/** A finite double, in units of 2^-1074. */
export function exact(value: number): bigint {
  let whole = value;
  let halvings = 0n;
  // Each doubling is exact.
  for (; !Number.isInteger(whole); whole *= 2) halvings += 1n;
  return BigInt(whole) << (unitsPerOne - halvings);
}

/** What `exact(1)` is. */
export const exactOne = exact(1);

/** The double that is nearest to a quotient; of two that are as near, the even one. */
export function nearest(numerator: bigint, denominator: bigint): number {
  if (numerator < 0n) return -nearest(-numerator, denominator);
  // More bits than a double has, and the last one says whether there are any behind it.
  const shift = bitsOf(numerator) - bitsOf(denominator) - 64;
  const [dividend, divisor] =
    shift > 0 ? [numerator, denominator << BigInt(shift)] : [numerator << BigInt(-shift), denominator];
  const quotient = dividend / divisor;
  const sticky = quotient * divisor === dividend ? quotient : quotient | 1n;
  // In two steps: the scale alone may be too small for a double.
  return Number(sticky) * 2 ** Math.ceil(shift / 2) * 2 ** Math.floor(shift / 2);
}

/** Up to three more than there are. */
function bitsOf(value: bigint): number {
  return value.toString(16).length * 4;
}
