import { readFileSync } from "node:fs";

/** Of this program, from the package that it is in. */
export function version(): string {
  const path = new URL(import.meta.url.endsWith(".ts") ? "../package.json" : "../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
}
