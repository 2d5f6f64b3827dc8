import { type Access, checkScope } from "../access/access.ts";
import type { MethodScope } from "../rpc/gate.ts";
import type { HttpAnswer } from "./exchange.ts";
import type { HttpPart } from "./router.ts";

/** What is read at a path. */
export interface HttpRoute {
  readonly scope: MethodScope;
  /** @throws TelemetryError */
  answer(): Promise<HttpAnswer>;
}

/** Paths that are read and take nothing: probes, metrics, documents. */
export function readPaths(routes: ReadonlyMap<string, HttpRoute>, access: Access): HttpPart {
  return {
    find(path) {
      const found = routes.get(path);
      if (found === undefined) return undefined;
      return {
        allow: ["GET", "HEAD"],
        async answer(exchange) {
          if (found.scope !== "open") {
            const { principal } = await access.identify(exchange.credentials);
            checkScope(principal, found.scope);
          }
          exchange.send(await found.answer());
        },
      };
    },
  };
}
