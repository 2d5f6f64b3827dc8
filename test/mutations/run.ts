// `npm run test:mutations [-- WORD]`: applies each deliberate fault to a copy of the tree, and expects red tests.
// `-- --part 2/3` takes the second third of them, and `--since COMMIT` besides those whose files have changed since.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { compileCache } from "../support/compile-cache.ts";
import { type Fault, faults } from "./faults.ts";

const checkout = fileURLToPath(new URL("../..", import.meta.url));
const vitest = join(checkout, "node_modules/vitest/vitest.mjs");
const leftOut = new Set(["node_modules", ".git", "dist"]);
/** Of a whole run of vitest: a test that a fault keeps waiting ends long before. */
const timeoutMs = 300_000;
const atOnce = 2;

/** What vitest's JSON reporter tells. */
interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/** The tests of a run by what became of them, as `file > name`. */
interface Run {
  readonly green: ReadonlySet<string>;
  readonly red: readonly string[];
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** A copy of the tree as it is now, with the same node_modules. */
async function copyTree(from: string, to: string): Promise<void> {
  await cp(from, to, { recursive: true, filter: (file) => !leftOut.has(relative(from, file)) });
  await symlink(join(checkout, "node_modules"), join(to, "node_modules"));
}

/** @throws Error when the fault's text does not stand in its file exactly once: the source has moved on */
async function faulty({ name, file, text, replacement }: Fault, tree: string): Promise<string> {
  const parts = (await readFile(join(tree, file), "utf8")).split(text);
  if (parts.length !== 2) {
    throw new Error(`fault "${name}": its text stands in ${file} ${parts.length - 1} times; it must be once`);
  }
  return parts.join(replacement);
}

async function runTests(tree: string, tests: readonly string[], only?: string, flags: string[] = []): Promise<Run> {
  const output = join(tree, "mutations-report.json");
  // What the run before has left is not this one's.
  await rm(output, { force: true });
  const args = [vitest, "run", "--root", tree, "--reporter=json", `--outputFile=${output}`, "--maxWorkers=2", ...flags];
  if (only !== undefined) args.push("--testNamePattern", only);
  const child = spawn(process.execPath, [...args, ...tests], {
    cwd: tree,
    stdio: "ignore",
    timeout: timeoutMs,
    // To find the smallest case that is red would take most of the time, and to compile vitest most of the rest.
    env: { ...process.env, TEST_SHRINK: "no", NODE_COMPILE_CACHE: compileCache },
  });
  await once(child, "exit");
  const { testResults } = JSON.parse(await readFile(output, "utf8")) as Report;
  const named = (status: string) =>
    testResults.flatMap(({ name, assertionResults }) =>
      assertionResults
        .filter((test) => test.status === status)
        .map(({ fullName }) => `${relative(tree, name)} > ${fullName}`),
    );
  return { green: new Set(named("passed")), red: named("failed") };
}

/** @returns the first test that is red with the fault and green without it */
async function catcherOf(fault: Fault, tree: string, green: ReadonlySet<string>) {
  const file = join(tree, fault.file);
  const before = await readFile(file, "utf8");
  await writeFile(file, await faulty(fault, tree));
  try {
    // One that is red is enough.
    const { red } = await runTests(tree, fault.tests, fault.only, ["--bail=1"]);
    return red.find((test) => green.has(test));
  } finally {
    await writeFile(file, before);
  }
}

/** Runs something for each entry, so many at once, each in a tree of its own. */
async function forEach<T>(
  entries: readonly T[],
  trees: readonly string[],
  run: (entry: T, tree: string) => Promise<void>,
) {
  const waiting = [...entries];
  const work = async (tree: string) => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await run(next, tree);
  };
  await Promise.all(trees.map(work));
}

const { values, positionals } = parseArgs({
  options: { part: { type: "string", default: "1/1" }, since: { type: "string" } },
  allowPositionals: true,
});
const [part, parts] = values.part.split("/").map(Number);
if (!(part >= 1 && part <= parts)) throw new Error(`--part is ${values.part}; write 1/3, 2/3 or 3/3`);
const changed = new Set(
  values.since === undefined
    ? []
    : execFileSync("git", ["diff", "--name-only", values.since], { cwd: checkout, encoding: "utf8" }).split("\n"),
);
const [word = ""] = positionals;
const chosen = faults.filter(({ name, file, tests }, i) => {
  if (!name.includes(word)) return false;
  return i % parts === part - 1 || [file, ...tests].some((path) => changed.has(path));
});
print(`${chosen.length} of ${faults.length} faults`);
const directory = await mkdtemp(join(tmpdir(), "tidemark-mutations-"));
try {
  // Copies: the checkout may be worked on meanwhile.
  const trees = Array.from({ length: atOnce }, (_, i) => join(directory, `tree-${i}`));
  const [clean] = trees;
  for (const tree of trees) await copyTree(tree === clean ? checkout : clean, tree);
  // All of them: one whose text is gone is found with the commit that has moved it, not when it is its turn.
  for (const fault of faults) await faulty(fault, clean);
  // A red test is a catch only when it is green without the fault: each set of tests is run without one first.
  const sets = new Map(chosen.map(({ tests, only }) => [JSON.stringify([tests, only]), { tests, only }]));
  const whole = [...new Set([...sets.values()].filter(({ only }) => only === undefined).flatMap(({ tests }) => tests))];
  const runs = [...sets.values()].filter(({ only }) => only !== undefined);
  if (whole.length > 0) runs.unshift({ tests: whole, only: undefined });
  const green = new Set<string>();
  const red = new Set<string>();
  await forEach(runs, trees, async ({ tests, only }, tree) => {
    const run = await runTests(tree, tests, only);
    for (const test of run.green) green.add(test);
    for (const test of run.red) red.add(test);
  });
  for (const test of red) print(`RED WITHOUT A FAULT: ${test}`);

  let caught = 0;
  await forEach(chosen, trees, async (fault, tree) => {
    const test = await catcherOf(fault, tree, green);
    if (test !== undefined) caught += 1;
    print(test === undefined ? `NOT CAUGHT: ${fault.name}` : `caught: ${fault.name} by ${test}`);
  });
  print(`${caught} caught, ${chosen.length - caught} not caught`);
  if (caught < chosen.length || red.size > 0) process.exitCode = 1;
} finally {
  await rm(directory, { recursive: true, force: true });
}
