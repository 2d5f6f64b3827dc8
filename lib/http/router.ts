import { TelemetryError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Exchange } from "./exchange.ts";
import { errorAnswer, toldError } from "./http-error.ts";

/** What is at a path. */
export interface Resource {
  /** Methods that it takes, HEAD and all. */
  readonly allow: readonly string[];
  /** @throws TelemetryError before anything was answered */
  answer(exchange: Exchange): Promise<void>;
}

/** One of the things that the port serves. */
export interface HttpPart {
  /**
   * @param path as it was sent
   * @returns undefined: nothing of this part is there
   * @throws TelemetryError when the path cannot be read
   */
  find(path: string): Resource | undefined;
}

export interface RouteOptions {
  readonly log: Log;
  checkHost(host: string | undefined): void;
}

/** Has the first part answer that has something at the path. Every request gets one answer. */
export async function route(
  exchange: Exchange,
  parts: readonly HttpPart[],
  { log, checkHost }: RouteOptions,
): Promise<void> {
  try {
    checkHost(exchange.header("host"));
    const resource = find(exchange.path, parts);
    if (exchange.method === "OPTIONS") exchange.sendEmpty(204, { allow: allowed(resource) });
    else if (resource.allow.includes(exchange.method)) await resource.answer(exchange);
    else throw notAllowed(resource);
  } catch (error) {
    const told = toldError(error, log);
    if (exchange.response.headersSent) exchange.response.destroy();
    else exchange.send(errorAnswer(told));
  }
}

function find(path: string, parts: readonly HttpPart[]): Resource {
  for (const part of parts) {
    const resource = part.find(path);
    if (resource !== undefined) return resource;
  }
  throw new TelemetryError(
    "NOT_FOUND",
    "PATH_NOT_FOUND",
    "there is nothing at this path; /openapi.json tells what there is",
  );
}

/** OPTIONS is answered for all. There are no headers for other origins: pages of theirs read nothing here. */
function allowed({ allow }: Resource): string {
  return [...allow, "OPTIONS"].join(", ");
}

function notAllowed(resource: Resource): TelemetryError {
  return new TelemetryError("UNIMPLEMENTED", "METHOD_NOT_ALLOWED", `use ${resource.allow.join(" or ")} here`, {
    metadata: { allow: allowed(resource) },
  });
}
