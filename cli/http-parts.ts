import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { openAccess } from "../lib/access/access.ts";
import type { Log } from "../lib/base/log.ts";
import { Bodies } from "../lib/http/bodies.ts";
import { connectPart } from "../lib/http/connect/connect-part.ts";
import { readPaths } from "../lib/http/read-paths.ts";
import { restPart } from "../lib/http/rest/rest-part.ts";
import type { HttpPart } from "../lib/http/router.ts";
import { staticFiles } from "../lib/http/static-files.ts";
import type { ServedCalls } from "../lib/rpc/server.ts";
import { csvAnswers } from "./http-csv.ts";

/** Of the package, whether its sources run or what was built of them. */
const root = new URL(import.meta.url.endsWith(".ts") ? "../" : "../../", import.meta.url);

/** What the HTTP port serves beside what operators look at. @throws Error when the contract has what is not supported */
export function httpParts(calls: ServedCalls, log: Log): HttpPart[] {
  const bodies = new Bodies();
  return [
    connectPart({ calls, bodies, log }),
    restPart({ calls, bodies, log, csv: csvAnswers }),
    readPaths(new Map([["/openapi.json", { scope: "open" as const, answer: openApi }]]), openAccess),
    staticFiles([
      { at: "/api/", folder: fileURLToPath(new URL("web/api", root)) },
      { at: "/api/", folder: pageFolder(), names: ["swagger-ui.css", "swagger-ui-bundle.js"] },
    ]),
  ];
}

/** The contract is public: it is told to whoever asks, as reflection tells it. */
async function openApi() {
  const body = readFileSync(new URL("proto/gen/openapi.json", root));
  return { status: 200, contentType: "application/json", body, headers: { "cache-control": "no-cache" } };
}

function pageFolder(): string {
  return dirname(fileURLToPath(import.meta.resolve("swagger-ui-dist/package.json")));
}
