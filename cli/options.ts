import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { type Command, Option } from "@commander-js/extra-typings";
import { parseDuration } from "../lib/base/duration.ts";
import { errorMessage, invalidField } from "../lib/base/errors.ts";
import { hostOf } from "../lib/base/host-port.ts";
import { metricsPerRegistrationMax } from "../lib/base/limits.ts";

/** A flag that can also be set by `TIDEMARK_<FLAG>` and in the configuration file. */
export function setting<Flags extends string>(flags: Flags, description: string): Option<Flags> {
  const option = new Option(flags, description);
  return option.env(`TIDEMARK_${option.name().toUpperCase().replaceAll("-", "_")}`);
}

export const jsonSetting = () => setting("--json", "results as JSON, for programs");

export const devicesSetting = (max: number) =>
  setting("--devices <n>", "devices")
    .argParser(integer("--devices", 1, max))
    .default(100);
export const metricsSetting = () =>
  setting("--metrics <n>", "metrics per device; the 7th and 8th of every ten, energy and packets, are counters")
    .argParser(integer("--metrics", 1, metricsPerRegistrationMax))
    .default(10);
export const intervalSetting = () =>
  setting("--interval <duration>", "time between two readings of a device")
    .argParser(duration("--interval"))
    .default(1_000, "1s");

/** `HOST:PORT`. */
export function hostPort(flag: string) {
  return (text: string): string => {
    const port = Number(/^.+:(\d{1,5})$/.exec(text)?.[1] ?? Number.NaN);
    if (!(port <= 65_535)) {
      throw invalidField(flag, `is ${JSON.stringify(text)}`, "write HOST:PORT, such as 127.0.0.1:50051");
    }
    return text;
  };
}

/** One server or several: `HOST:PORT[,HOST:PORT]`. */
export function hostPorts(flag: string) {
  return (text: string): string => text.split(",").map(hostPort(flag)).join(",");
}

/** `HOST:PORT` of the one server that a command talks to. */
export function oneHostPort(flag: string) {
  return (text: string): string => {
    if (!text.includes(",")) return hostPort(flag)(text);
    throw invalidField(
      flag,
      `is ${JSON.stringify(text)}, several servers, and only commands that read take several`,
      "name one: ingest and changes stay with one store",
    );
  };
}

/** Whether nobody on the network reaches it, or is on the way to it. @param address `HOST:PORT` */
export function isLoopback(address: string): boolean {
  const host = hostOf(address);
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

/** What is in the file of a flag. @throws TelemetryError that names them */
export function readText(file: string, flag: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw invalidField(
      flag,
      `is ${JSON.stringify(file)}, which cannot be read: ${errorMessage(error)}`,
      "check the path",
    );
  }
}

/**
 * A secret of the environment, or of the file that `NAME_FILE` names, without its last line break. Secrets are no flags:
 * whoever lists processes sees those.
 * @throws TelemetryError when the file cannot be read
 */
export function secretOf(name: string): string | undefined {
  const file = process.env[`${name}_FILE`];
  return file === undefined ? process.env[name] : readText(file, `${name}_FILE`).replace(/\r?\n$/, "");
}

/** A whole number within bounds. @param others what else may be written, for the message */
export function integer(flag: string, min: number, max: number, others = "") {
  return (text: string): number => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw invalidField(flag, `is ${JSON.stringify(text)}`, `choose a whole number from ${min} to ${max}${others}`);
    }
    return value;
  };
}

/** Milliseconds, at least 1. */
export function duration(flag: string) {
  return (text: string): number => {
    const durationMs = parseDuration(text, flag);
    if (durationMs < 1) throw invalidField(flag, `is ${JSON.stringify(text)}`, "choose at least 1ms");
    return durationMs;
  };
}

/** A flag that can be given more than once. */
export function list(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

/**
 * Puts the values of the configuration file where neither flag nor environment has set one. The file is a
 * JSON object with a section per command, whose keys are the names of its flags.
 * @throws TelemetryError that names the file and the key
 */
export function applyConfigFile(file: string, command: Command, commands: readonly Command[]): void {
  const sections = readSections(file);
  for (const name of Object.keys(sections)) {
    const names = commands.map(sectionOf).filter((each) => !servedBy.includes(each));
    if (!names.includes(name)) {
      throw invalidField(file, `has the key ${JSON.stringify(name)}`, `its sections are ${names.join(", ")}`);
    }
  }
  for (const each of commands) checkSection(file, each, sections[sectionOf(each)]);
  const name = sectionOf(command);
  const section = (sections[servedBy.includes(name) ? "serve" : name] ?? {}) as Record<string, unknown>;
  for (const option of command.options) {
    const value = section[option.name()];
    if (value === undefined) continue;
    const source = command.getOptionValueSource(option.attributeName());
    if (source === "cli" || source === "env") continue;
    command.setOptionValueWithSource(option.attributeName(), parseValue(option, value), "config");
  }
}

/** What a file has for a command. @throws TelemetryError */
export function sectionOfFile(file: string, section: string): Record<string, unknown> {
  return (readSections(file)[section] ?? {}) as Record<string, unknown>;
}

function readSections(file: string): Record<string, unknown> {
  return readObject(file, readJson(file));
}

/** They look at how a server would run, and have no section of their own. */
const servedBy = ["config", "doctor"];

/** The command as it is written: `serve`, `devices list`. */
function sectionOf(command: Command): string {
  const { parent } = command;
  return parent?.parent ? `${parent.name()} ${command.name()}` : command.name();
}

/** Every section, so that a slip shows before its command is used. */
function checkSection(file: string, command: Command, section: unknown): void {
  if (section === undefined) return;
  const names = command.options.map((option) => option.name());
  const name = sectionOf(command);
  for (const key of Object.keys(readObject(`${file}: ${name}`, section))) {
    if (names.includes(key)) continue;
    const path = JSON.stringify(`${name}.${key}`);
    throw invalidField(file, `has the key ${path}`, `its keys are ${names.join(", ")}`);
  }
}

/** A flag without a value is on when its variable is set, to whatever; `false`, `0` and nothing turn it off. */
export function applyOffSwitches(command: Command): void {
  for (const option of command.options) {
    const off = ["", "0", "false"].includes(process.env[option.envVar ?? ""] ?? "on");
    const fromEnvironment = command.getOptionValueSource(option.attributeName()) === "env";
    if (option.isBoolean() && off && fromEnvironment) {
      command.setOptionValueWithSource(option.attributeName(), false, "env");
    }
  }
}

function parseValue(option: Option, value: unknown): unknown {
  const parse = option.parseArg as ((text: string, before: unknown) => unknown) | undefined;
  if (option.isBoolean()) {
    if (typeof value === "boolean") return value;
    throw invalidField(option.name(), `is ${JSON.stringify(value)}`, "write true or false");
  }
  const texts = (Array.isArray(value) ? value : [value]).map((each) => readScalar(option, each));
  if (parse === undefined) return texts[0];
  return texts.reduce<unknown>((before, text) => parse(text, before), undefined);
}

function readScalar(option: Option, value: unknown): string {
  if (typeof value !== "string" && typeof value !== "number") {
    throw invalidField(option.name(), `is ${JSON.stringify(value)}`, "write a text or a number");
  }
  const choices = option.argChoices;
  if (choices !== undefined && !choices.includes(String(value))) {
    throw invalidField(option.name(), `is ${JSON.stringify(value)}`, `choose one of ${choices.join(", ")}`);
  }
  return String(value);
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw invalidField("config", `cannot be read from ${file}: ${errorMessage(error)}`, "check the path and the JSON");
  }
}

function readObject(where: string, value: unknown): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw invalidField(where, "is not an object", 'write {"serve": {"data": "./data"}}');
}
