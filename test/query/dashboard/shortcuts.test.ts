import { expect, it } from "vitest";
import { shortcutOf } from "../../../query/dashboard/src/state/shortcuts.ts";

const shortcuts = ["?", "d", "g d"].map((keys) => ({ keys, does: keys, run: () => {} }));

it.each([
  ["", "?", "?"],
  ["", "d", "d"],
  ["g", "d", "g d"],
  ["x", "d", "d"],
  ["g", "x", undefined],
])("after %j, %j is %j", (before, key, keys) => {
  expect(shortcutOf(shortcuts, before, key)?.keys).toBe(keys);
});
