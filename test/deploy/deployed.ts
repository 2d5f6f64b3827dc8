import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseAllDocuments } from "yaml";

/** What the files of `deploy/` say. */

export const checkout = fileURLToPath(new URL("../..", import.meta.url));

/** @param file from the top of the checkout */
export function read(file: string): string {
  return readFileSync(join(checkout, file), "utf8");
}

/** Paths of all files below a directory, from the top of the checkout. */
export function filesBelow(directory: string): string[] {
  return readdirSync(join(checkout, directory), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(checkout.length));
}

/** The documents of a text. @throws the first error or warning of the parser */
export function yamlOf(text: string): unknown[] {
  return parseAllDocuments(text, { merge: true }).map((document) => {
    const [problem] = [...document.errors, ...document.warnings];
    if (problem !== undefined) throw problem;
    return document.toJS() as unknown;
  });
}

/** What is at a path such as `spec.template.0`; undefined where it leads nowhere. */
export function at(value: unknown, path: string): unknown {
  return path
    .split(".")
    .reduce<unknown>((found, key) => (found as Readonly<Record<string, unknown>> | null | undefined)?.[key], value);
}

/** The list at a path, empty when there is none. */
export function listAt(value: unknown, path: string): unknown[] {
  const found = at(value, path);
  return Array.isArray(found) ? (found as unknown[]) : [];
}

/** The object at a path as pairs, none when there is none. */
export function entriesAt(value: unknown, path: string): [string, unknown][] {
  return Object.entries((at(value, path) as Readonly<Record<string, unknown>> | null | undefined) ?? {});
}

/** Whether an image has a name, and a version that does not move. */
export function isPinned(image: unknown): boolean {
  return typeof image === "string" && /^[\w./-]+:v?\d+\.\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?$/.test(image);
}

export const packageJson = JSON.parse(read("package.json")) as {
  readonly version: string;
  readonly optionalDependencies: Readonly<Record<string, string>>;
};

/** The image as it is called everywhere. */
export const ownImage = `tidemark:${packageJson.version}`;
