import type { Interval } from "./median.ts";
import { inverse, type Ratio, spansOne } from "./ratio.ts";

/** Three significant digits: `0.0123`, `1.50`, `12,300`. */
export function significant(value: number): string {
  if (!Number.isFinite(value)) return "-";
  const rounded = Number(value.toPrecision(3));
  if (Math.abs(rounded) >= 1_000) return rounded.toLocaleString("en-US");
  return rounded !== 0 && Math.abs(rounded) < 1e-6
    ? rounded.toExponential(2)
    : rounded.toPrecision(3).replace(/e.*/, "");
}

/** `1.23 M`, `45.6 k`, `789`: three significant digits. */
export function large(value: number): string {
  const rounded = Number(value.toPrecision(3));
  if (rounded >= 1e9) return `${significant(rounded / 1e9)} G`;
  if (rounded >= 1e6) return `${significant(rounded / 1e6)} M`;
  return rounded >= 1e4 ? `${significant(rounded / 1e3)} k` : significant(rounded);
}

export function mebibytes(bytes: number): string {
  return significant(bytes / 2 ** 20);
}

export function percent(share: number): string {
  return `${Number((share * 100).toPrecision(4))} %`;
}

/** `1.23 (1.10 to 1.38)`. */
export function withInterval(interval: Interval, format = significant): string {
  const { value, low, high } = interval;
  return low === undefined || high === undefined
    ? `${format(value)} (no interval)`
    : `${format(value)} (${format(low)} to ${format(high)})`;
}

/** As `withInterval`, and `~` where nothing is shown to differ. */
export function ratioText(ratio: Ratio | undefined): string {
  if (ratio === undefined) return "no pairs";
  return `${withInterval(ratio)}${ratio.low !== undefined && spansOne(ratio) ? " ~" : ""}`;
}

/** As `ratioText`, where more than 1 speaks for what the row is about: a loss is called one. */
export function advantageText(ratio: Ratio | undefined): string {
  return `${ratioText(ratio)}${ratio !== undefined && ratio.value < 1 && !spansOne(ratio) ? ", worse" : ""}`;
}

/**
 * What an advantage comes to: `4.20 times less server CPU than JSON (95 % interval 3.90 to 4.60)`.
 * @param ratio how many times as much the other takes: above 1 is good
 */
export function costInWords(ratio: Ratio | undefined, cost: string, other: string): string {
  if (ratio === undefined) return `an amount of ${cost} that no pair of trials compares with ${other}`;
  const isLess = ratio.value >= 1;
  const { value, low, high } = isLess ? ratio : inverse(ratio);
  const words = `${significant(value)} times ${isLess ? "less" : "more"} ${cost} than ${other}`;
  if (low === undefined || high === undefined) return `${words} (one pair: no interval)`;
  const interval = `95 % interval ${significant(low)} to ${significant(high)}`;
  if (!spansOne(ratio)) return `${words} (${interval})`;
  return `neither more nor less ${cost}, as far as was shown, than ${other} (${interval} times ${isLess ? "less" : "more"})`;
}
