import { invalidField } from "./errors.ts";

const unitBytes: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/**
 * Bytes of `65536`, `64KiB`, `1.5MiB` or `2GiB`.
 * @throws TelemetryError when it is anything else
 */
export function parseSize(text: string, field = "size"): number {
  const [, number, unit = "B"] = /^(\d+(?:\.\d+)?)(B|KiB|MiB|GiB)?$/.exec(text) ?? [];
  const bytes = number === undefined ? 0 : Math.round(Number(number) * (unitBytes[unit] ?? 0));
  if (bytes < 1 || !Number.isSafeInteger(bytes)) {
    throw invalidField(
      field,
      `is ${JSON.stringify(text)}`,
      "write bytes, or a number with KiB, MiB or GiB, such as 64KiB",
    );
  }
  return bytes;
}

/** The text that `parseSize` reads back, in the largest unit that gives 1 or more with at most two decimals: `1.5MiB`. */
export function formatSize(bytes: number): string {
  const units = Object.entries(unitBytes).reverse();
  const isShort = (size: number) => size >= 1 && Number.isInteger(size * 100);
  const [unit = "B", width = 1] = units.find(([, width]) => isShort(bytes / width)) ?? [];
  return `${bytes / width}${unit}`;
}
