import { invalidField } from "../../lib/base/errors.ts";

const factors: Readonly<Record<string, number>> = { "": 1, k: 1e3, M: 1e6 };

/** More than any machine sends; what is over it is a slip. */
const perSecondMax = 1e9;

/**
 * Samples per second of `50000`, `50000/s`, `50k/s` or `1.5M/s`.
 * @throws TelemetryError when it is anything else, or zero
 */
export function parseRate(text: string, field = "--rate"): number {
  const perSecond = parseAmount(text.replace(/\/s$/, ""));
  if (perSecond === undefined || perSecond <= 0 || perSecond > perSecondMax) {
    throw invalidField(
      field,
      `is ${JSON.stringify(text)}`,
      "write samples per second, up to 1000M/s, such as 50000/s, 50k/s or 1.5M/s",
    );
  }
  return perSecond;
}

/** A number of `50000`, `50k` or `1.5M`; undefined when it is anything else. */
export function parseAmount(text: string): number | undefined {
  const [, number, factor = ""] = /^(\d+(?:\.\d+)?)([kM]?)$/.exec(text) ?? [];
  return number === undefined ? undefined : Number((Number(number) * factors[factor]).toPrecision(15));
}
