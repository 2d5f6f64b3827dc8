import { writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkout, filesBelow, read, yamlOf } from "./deployed.ts";
import { commandProblems, configProblems, variableProblems, wordsOf } from "./program.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "tidemark-deploy-"));
});
afterAll(() => rm(directory, { recursive: true }));

/** After `tidemark`, where it is a command and no name of something. */
const command = /(?:^|\s|`)tidemark (?!tidemark )((?:--config \S+ )?[a-z][^`]*)/;

/** Each command in a text, whole as in a shell, or mentioned in a sentence. */
function commandsOf(text: string): { words: string[]; mentioned: boolean }[] {
  const whole = [...text.matchAll(/```sh\n(.*?)```/gs)].flatMap(([, block = ""]) =>
    block
      .replaceAll(/\\\n/g, " ")
      .split("\n")
      .flatMap((line) => line.split(/&&|\||>|\s#/))
      .flatMap((part) => command.exec(part)?.[1] ?? []),
  );
  const mentioned = [...text.replaceAll(/```.*?```/gs, "").matchAll(/`([^`]+)`/g)].flatMap(
    ([, code = ""]) => /^tidemark ([a-z].*)/.exec(code)?.[1] ?? [],
  );
  return [
    ...whole.map((line) => ({ words: wordsOf(line), mentioned: false })),
    ...mentioned.map((line) => ({ words: wordsOf(line), mentioned: true })),
  ];
}

function commandsProblems(text: string): string[] {
  return commandsOf(text).flatMap(({ words, mentioned }) =>
    commandProblems(words, mentioned).map((problem) => `tidemark ${words.join(" ")}: ${problem}`),
  );
}

describe("docs/operating.md", () => {
  const page = read("docs/operating.md");

  it("has commands that there are", () => {
    expect(commandsOf(page).filter(({ mentioned }) => !mentioned).length).toBeGreaterThan(6);
    expect(commandsProblems(page)).toEqual([]);
  });

  it("names flags of serve", () => {
    const flags = [...page.matchAll(/`(--[a-z-]+)/g)].map(([, flag = ""]) => flag);
    const others = ["--config", "--device", "--name"];
    for (const flag of flags.filter((each) => !others.includes(each))) {
      expect(commandProblems(["serve", flag], true)).not.toContain(`serve has no flag ${flag}`);
    }
  });
});

it("deploy/kubernetes/tls/secret.example.yaml is made by commands that there are", () => {
  const lines = read("deploy/kubernetes/tls/secret.example.yaml").replaceAll(/^# */gm, "");
  expect(commandsProblems(`\`\`\`sh\n${lines}\`\`\``)).toEqual([]);
});

describe("deploy/", () => {
  it("has YAML that can be read", () => {
    const files = filesBelow("deploy").filter((file) => /\.ya?ml$/.test(file));
    expect(files.length).toBeGreaterThan(6);
    for (const file of files) expect(yamlOf(read(file)).length, file).toBeGreaterThan(0);
  });

  it("has JSON that can be read", () => {
    for (const file of filesBelow("deploy").filter((each) => each.endsWith(".json"))) JSON.parse(read(file));
  });

  it("names variables of flags that there are", () => {
    for (const file of filesBelow("deploy")) {
      for (const [name] of read(file).matchAll(/\bTIDEMARK_[A-Z_]+/g)) expect(variableProblems(name), file).toEqual([]);
    }
  });

  it("has a configuration that serve takes", () => {
    expect(configProblems(join(checkout, "deploy/tidemark.config.json"))).toEqual([]);
  });
});

describe("the checks find", () => {
  it.each([
    ["```sh\ntidemark srve\n```", ["tidemark srve: tidemark has no command srve"]],
    ["```sh\nsudo -u tidemark tidemark backup\n```", ["tidemark backup: backup needs more arguments"]],
    [
      "```sh\nkubectl exec tidemark-0 -- tidemark status --jsn\n```",
      ["tidemark status --jsn: status has no flag --jsn"],
    ],
    ["```sh\nchown tidemark -R /data && systemctl restart tidemark\n```", []],
    ["say `tidemark devices gte`", ["tidemark devices gte: devices has no command gte"]],
    ["say `tidemark backup`, in the directory tidemark has", []],
  ])("%j", (text, problems) => expect(commandsProblems(text)).toEqual(problems));

  it.each([
    ["a variable of no flag", () => variableProblems("TIDEMARK_DTA"), "no flag has the variable TIDEMARK_DTA"],
    ["YAML that cannot be read", () => [String(thrownBy(() => yamlOf("a: [")))], "YAML"],
    ["a key twice", () => [String(thrownBy(() => yamlOf("a: 1\na: 2")))], "unique"],
  ])("%s", (_, problems, problem) => expect(problems()).toEqual([expect.stringContaining(problem)]));

  it.each([
    ["an unknown key", { serve: { dta: "x" } }, '"serve.dta"'],
    ["an unknown section", { serv: {} }, '"serv"'],
    ["a value that is not valid", { serve: { lateness: "soon" } }, '"soon"'],
    ["a retention that loses windows", { serve: { retention: "10s=1m" } }, "keeps 10s for 1m"],
    ["a certificate without its key", { serve: { "tls-cert": "a" } }, "--tls-cert is given alone"],
  ])("%s in a configuration", (_, config, problem) => {
    const file = join(directory, "tidemark.json");
    writeFileSync(file, JSON.stringify(config));
    expect(configProblems(file)).toEqual([expect.stringContaining(problem)]);
  });
});

function thrownBy(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return undefined;
}
