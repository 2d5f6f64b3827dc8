import { readdirSync } from "node:fs";
import { join } from "node:path";
import { Command } from "@commander-js/extra-typings";
import { applyConfigFile, setting } from "../../cli/options.ts";
import { keptTiers } from "../../cli/tier-options.ts";
import { tlsFilesOf } from "../../cli/tls-files.ts";
import { defaultTiers, type Tier } from "../../lib/aggregate/tiers.ts";
import { errorMessage } from "../../lib/base/errors.ts";
import { checkout } from "./deployed.ts";

/** The program as `cli/main.ts` composes it, to hold commands, flags and values against without running anything. */

/** Secrets are no flags (`secretOf`). */
const secrets = ["TIDEMARK_TOKEN_FILE", "TIDEMARK_PASSWORD", "TIDEMARK_PASSWORD_FILE"];

const directory = join(checkout, "cli/commands");
const modules = await Promise.all(
  readdirSync(directory)
    .filter((file) => file.endsWith(".ts"))
    .map(async (file) => (await import(join(directory, file))) as Readonly<Record<string, unknown>>),
);
const adds = modules.flatMap((module) =>
  Object.keys(module)
    .filter((name) => /^add[A-Z]/.test(name))
    .map((name) => module[name] as (program: Command) => void),
);

function makeProgram(): Command {
  const program = new Command("tidemark").addOption(setting("--config <file>", "configuration")) as unknown as Command;
  // Before the commands are made, which take it over.
  program.exitOverride().configureOutput({ writeErr: () => {} });
  for (const add of adds) add(program);
  return program;
}

function commandNamed(parent: Command, name: string | undefined): Command | undefined {
  return parent.commands.find((each) => each.name() === name) as Command | undefined;
}

function leavesOf(parent: Command): Command[] {
  if (parent.commands.length === 0) return [parent];
  return (parent.commands as unknown as Command[]).flatMap(leavesOf);
}

/**
 * What is wrong with a command, after the word `tidemark`. Values are read as the command reads them.
 * @param mentioned in a text: what it needs may be left out
 */
export function commandProblems(words: readonly string[], mentioned = false): string[] {
  const rest = [...words];
  if (rest[0] === "--config") rest.splice(0, 2);
  let command = makeProgram();
  while (command.commands.length > 0) {
    const word = rest.shift();
    if (word === undefined && mentioned) return [];
    const next = commandNamed(command, word);
    if (next === undefined) return [`${command.name()} has no command ${word}`];
    command = next;
  }
  try {
    const { operands, unknown } = command.parseOptions(rest);
    const most = command.registeredArguments.some(({ variadic }) => variadic)
      ? Number.POSITIVE_INFINITY
      : command.registeredArguments.length;
    const least = command.registeredArguments.filter(({ required }) => required).length;
    const missing = command.options.filter(
      (option) => option.mandatory && command.getOptionValueSource(option.attributeName()) === undefined,
    );
    return [
      ...unknown.slice(0, 1).map((flag) => `${command.name()} has no flag ${flag}`),
      ...(operands.length > most ? [`${command.name()} takes no ${operands[most]}`] : []),
      ...(operands.length < least && !mentioned ? [`${command.name()} needs more arguments`] : []),
      ...(mentioned ? [] : missing.map((option) => `${command.name()} needs ${option.long}`)),
    ];
  } catch (error) {
    return [errorMessage(error)];
  }
}

/** What is wrong with a variable of the environment; those of others are not looked at. */
export function variableProblems(name: string): string[] {
  if (!name.startsWith("TIDEMARK_") || secrets.includes(name)) return [];
  const options = [...makeProgram().options, ...leavesOf(makeProgram()).flatMap((command) => command.options)];
  return options.some((option) => option.envVar === name) ? [] : [`no flag has the variable ${name}`];
}

/** What is wrong with a file for `--config`, as `serve` reads it. */
export function configProblems(file: string): string[] {
  const program = makeProgram();
  const serve = commandNamed(program, "serve") as Command;
  try {
    applyConfigFile(file, serve, leavesOf(program));
    const { tiers, retention, lateness, tlsCert, tlsKey, clientCa } = serve.opts() as Readonly<Record<string, unknown>>;
    keptTiers(
      (tiers as readonly Tier[] | undefined) ?? defaultTiers,
      retention as ReadonlyMap<string, number> | undefined,
      lateness as number,
    );
    tlsFilesOf({
      tlsCert: tlsCert as string | undefined,
      tlsKey: tlsKey as string | undefined,
      clientCa: clientCa as string | undefined,
    });
    return [];
  } catch (error) {
    return [errorMessage(error)];
  }
}

/** The words of a line as a shell takes them, as far as the files here go. */
export function wordsOf(line: string): string[] {
  return [...line.matchAll(/(?:[^\s'"]+|'[^']*'|"[^"]*")+/g)].map(([word]) => word.replaceAll(/['"]/g, ""));
}
