import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const checkout = fileURLToPath(new URL("..", import.meta.url));

/** What answers calls. */
const served = ["ingest", "query", "lib/access", "lib/rpc", "lib/http", "lib/base/errors.ts", "cli/admin-service.ts"];
/** What clients, and those who start a server, are told. */
const others = ["lib/rpc/client.ts", "lib/rpc/flow.ts", "lib/rpc/listener.ts", "lib/rpc/tls.ts"];

function sourcesOf(place: string): string[] {
  if (place.endsWith(".ts")) return [place];
  const names = readdirSync(join(checkout, place), { recursive: true, encoding: "utf8" });
  return names.filter((name) => name.endsWith(".ts")).map((name) => join(place, name));
}

/** Status and reason of each error that is made in a source. */
function errorsIn(file: string): string[] {
  const text = readFileSync(join(checkout, file), "utf8");
  const made = [...text.matchAll(/new TelemetryError\(\s*"([A-Z_]+)",\s*"([A-Z_]+)"/g)].map(
    ([, status, reason]) => `${status} ${reason}`,
  );
  const unknown = [...text.matchAll(/unauthenticated\(\s*"([A-Z_]+)"/g)].map(
    ([, reason]) => `UNAUTHENTICATED ${reason}`,
  );
  return [...made, ...unknown];
}

it("every error that a call can end with is in docs/errors.md, and no others", () => {
  const files = served.flatMap(sourcesOf).filter((file) => !others.includes(file));
  const made = new Set(files.flatMap(errorsIn));
  const page = readFileSync(join(checkout, "docs/errors.md"), "utf8");
  const told = [...page.matchAll(/^\| ([A-Z_]+) \| ([A-Z_]+) \|/gm)].map(([, status, reason]) => `${status} ${reason}`);
  expect(told.length).toBeGreaterThan(20);
  expect([...told].sort()).toEqual([...made].sort());
});
