import fc from "fast-check";
import { expect, it } from "vitest";
import { formatSize, parseSize } from "../../lib/base/size.ts";

it("a size is written in the largest unit that gives at most two decimals", () => {
  const f = (bytes: number, text: string) => expect(formatSize(bytes)).toBe(text);
  f(1, "1B");
  f(1_000, "1000B");
  f(1_024, "1KiB");
  f(1.5 * 1024 ** 2, "1.5MiB");
  f(2 * 1024 ** 3, "2GiB");
  f(2 * 1024 ** 3 + 1, "2147483649B");
});

it("a size that is written can be read back", () => {
  fc.assert(
    fc.property(fc.oneof(fc.integer({ min: 1, max: 2 ** 31 - 1 }), fc.integer({ min: 1, max: 2 ** 40 })), (bytes) => {
      expect(parseSize(formatSize(bytes))).toBe(bytes);
    }),
  );
});

it("what is no size is refused, and told how one is written", () => {
  for (const text of ["", "0", "1GB", "-1KiB", "KiB", "1 GiB", "1e3"]) {
    expect(() => parseSize(text, "--keep-raw"), text).toThrow("--keep-raw is");
  }
});
