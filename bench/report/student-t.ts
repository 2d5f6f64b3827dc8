import assert from "node:assert/strict";

/**
 * The t with P(|T| <= t) = `confidence`, for Student's T of so many degrees of freedom, which need not be whole (Welch).
 * From P(|T| > t) = I_x(d/2, 1/2) with x = d / (d + t^2) (Abramowitz and Stegun 1964, 26.7.1), x by bisection.
 */
export function studentT(confidence: number, degreesOfFreedom: number): number {
  assert(confidence > 0 && confidence < 1 && degreesOfFreedom >= 1);
  let low = 0;
  let high = 1;
  for (let i = 0; i < 100; i += 1) {
    const middle = (low + high) / 2;
    if (incompleteBeta(middle, degreesOfFreedom / 2, 0.5) < 1 - confidence) low = middle;
    else high = middle;
  }
  return Math.sqrt((degreesOfFreedom * (1 - low)) / low);
}

/** The regularized incomplete beta function I_x(a, b), by its continued fraction (Abramowitz and Stegun 26.5.8). */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
  // The fraction converges fast on this side of the mean, and I_x(a, b) = 1 - I_(1-x)(b, a).
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(
    a * Math.log(x) + b * Math.log1p(-x) + logGamma(a + b) - logGamma(a) - logGamma(b) - Math.log(a),
  );
  return front / betaFraction(x, a, b);
}

/** 1 + d1 / (1 + d2 / (1 + ...)), evaluated as Lentz (1976) does. */
function betaFraction(x: number, a: number, b: number): number {
  let value = 1;
  let above = 1;
  let below = 0;
  for (let i = 1; i < 10_000; i += 1) {
    const m = Math.floor(i / 2);
    const d =
      i % 2 === 0
        ? (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
        : -((a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    below = 1 / (1 + d * below);
    above = 1 + d / above;
    const step = above * below;
    value *= step;
    if (Math.abs(step - 1) < 1e-15) break;
  }
  return value;
}

/** The logarithm of the gamma function of a positive number (Lanczos 1964, with Godfrey's coefficients for g = 7). */
function logGamma(z: number): number {
  const x = z - 1;
  let sum = 0.999_999_999_999_809_9;
  for (const [i, c] of lanczos.entries()) sum += c / (x + i + 1);
  const t = x + 7.5;
  return 0.5 * Math.log(2 * Math.PI) + (x + 0.5) * Math.log(t) - t + Math.log(sum);
}

const lanczos = [
  676.520_368_121_885_1, -1_259.139_216_722_402_8, 771.323_428_777_653_1, -176.615_029_162_140_6,
  12.507_343_278_686_905, -0.138_571_095_265_720_12, 9.984_369_578_019_572e-6, 1.505_632_735_149_311_6e-7,
];
