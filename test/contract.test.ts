import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const fileOf = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** The table's rows: case, file, name of the test. */
const rows = readFileSync(fileOf("test/contract.md"), "utf8")
  .split("\n")
  .filter((line) => line.startsWith("|") && !line.startsWith("| case ") && !line.startsWith("| --- "))
  .map((line) =>
    line
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim()),
  );

it("contract.md has its rows", () => {
  expect(rows.length).toBeGreaterThan(40);
  for (const row of rows) expect(row).toHaveLength(3);
});

it.each(rows)("contract.md, %s: its test exists, or it is open", (_, file, name) => {
  if (file === "") {
    expect(name).toBe("open");
    return;
  }
  expect(existsSync(fileOf(file)), `${file} is there`).toBe(true);
  const source = readFileSync(fileOf(file), "utf8");
  // As a whole title, not as a part of another one.
  const titles = [`"${name}"`, `\`${name}\``];
  expect(
    titles.some((title) => source.includes(title)),
    `${file} has a test ${name}`,
  ).toBe(true);
});
