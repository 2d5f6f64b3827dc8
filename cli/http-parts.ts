import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { openAccess } from "../lib/access/access.ts";
import type { Log } from "../lib/base/log.ts";
import { Bodies } from "../lib/http/bodies.ts";
import { connectPart } from "../lib/http/connect/connect-part.ts";
import type { HttpAnswer } from "../lib/http/exchange.ts";
import { type HttpRoute, readPaths } from "../lib/http/read-paths.ts";
import { restPart } from "../lib/http/rest/rest-part.ts";
import type { HttpPart } from "../lib/http/router.ts";
import { staticFiles } from "../lib/http/static-files.ts";
import type { ServedCalls } from "../lib/rpc/server.ts";
import { csvAnswers } from "./http-csv.ts";

/** Of the package, whether its sources run or what was built of them. */
const root = new URL(import.meta.url.endsWith(".ts") ? "../" : "../../", import.meta.url);
const dashboard = fileURLToPath(new URL("query/dashboard/dist", root));

/** What the HTTP port serves beside what operators look at. @throws Error when the contract has what is not supported */
export function httpParts(calls: ServedCalls, log: Log): HttpPart[] {
  const bodies = new Bodies();
  // Once: whoever asks for it needs no credentials, and is not to make the server read files.
  const document = readFileSync(new URL("proto/gen/openapi.json", root));
  const open = (routes: Readonly<Record<string, HttpRoute["answer"]>>) =>
    readPaths(new Map(Object.entries(routes).map(([path, answer]) => [path, { scope: "open", answer }])), openAccess);
  return [
    connectPart({ calls, bodies, log }),
    restPart({ calls, bodies, log, csv: csvAnswers }),
    open({ "/openapi.json": async () => openApi(document) }),
    // A checkout has it when it was built once; the package always has.
    existsSync(dashboard) ? staticFiles({ at: "/", folder: dashboard }) : open({ "/": notBuilt }),
  ];
}

/** The contract is public: it is told to whoever asks, as reflection tells it. */
function openApi(body: Uint8Array): HttpAnswer {
  return { status: 200, contentType: "application/json", body, headers: { "cache-control": "no-cache" } };
}

async function notBuilt() {
  const body =
    "The dashboard is not built in this checkout: run `npm run build:dashboard`, and start the server again.\n";
  return { status: 404, contentType: "text/plain; charset=utf-8", body };
}
