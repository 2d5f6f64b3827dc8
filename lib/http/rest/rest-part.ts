import { createRegistry, type JsonObject, type Registry } from "@bufbuild/protobuf";
import type { Log } from "../../base/log.ts";
import type { TableMethod } from "../../rpc/method-table.ts";
import type { ServedCalls } from "../../rpc/server.ts";
import type { Bodies } from "../bodies.ts";
import type { Exchange } from "../exchange.ts";
import { HttpCall } from "../http-call.ts";
import type { HttpPart, Resource } from "../router.ts";
import { bindingsOf, type HttpBinding } from "./http-rule.ts";
import { pathValues, readRequest } from "./rest-request.ts";
import { answerStream } from "./stream-answer.ts";
import { type CsvOf, messageJson, streamForm } from "./stream-form.ts";

export interface RestOptions {
  readonly calls: ServedCalls;
  readonly bodies: Bodies;
  readonly log: Log;
  /** By path of a method: its answer as rows. */
  readonly csv: ReadonlyMap<string, CsvOf>;
}

interface RestRoute {
  readonly binding: HttpBinding;
  readonly method: TableMethod;
}

interface FoundRoute extends RestRoute {
  readonly values: JsonObject;
}

/**
 * The methods that have a `google.api.http` annotation, as JSON over HTTP.
 * @throws Error when an annotation is not supported
 */
export function restPart(options: RestOptions): HttpPart {
  const { methods } = options.calls;
  const byDesc = new Map(methods.map((method) => [method.desc, method]));
  const routes = bindingsOf(methods.map(({ desc }) => desc)).flatMap((binding): RestRoute[] => {
    const method = byDesc.get(binding.method);
    return method === undefined ? [] : [{ binding, method }];
  });
  const registry = createRegistry(...methods.map(({ desc }) => desc.parent));
  return {
    find(path) {
      if (!path.startsWith("/")) return undefined;
      const pieces = path.slice(1).split("/");
      const found = routes.flatMap((route): FoundRoute[] => {
        const values = pathValues(route.binding, pieces);
        return values === undefined ? [] : [{ ...route, values }];
      });
      return found.length === 0 ? undefined : resourceOf(found, options, registry);
    },
  };
}

function resourceOf(routes: readonly FoundRoute[], options: RestOptions, registry: Registry): Resource {
  return {
    allow: routes.flatMap(({ binding, method }) =>
      binding.verb === "GET" && method.call.kind === "unary" ? ["GET", "HEAD"] : [binding.verb],
    ),
    async answer(exchange) {
      const verb = exchange.method === "HEAD" ? "GET" : exchange.method;
      const route = routes.find(({ binding }) => binding.verb === verb);
      if (route !== undefined) await answerRoute(route, exchange, options, registry);
    },
  };
}

async function answerRoute(
  { binding, method, values }: FoundRoute,
  exchange: Exchange,
  { calls, bodies, csv, log }: RestOptions,
  registry: Registry,
): Promise<void> {
  const call = await HttpCall.begin(method, exchange, calls, "http");
  const request = await call.telling(readRequest(binding, values, exchange, bodies));
  if (method.call.kind === "unary") {
    const message = await call.unary(request);
    const body = `${messageJson(method.desc, message, registry)}\n`;
    exchange.send({ status: 200, contentType: "application/json", body });
    return;
  }
  const options = { method: method.desc, request, registry, csv: csv.get(method.path) };
  const form = await call.telling((async () => streamForm(exchange.header("accept"), options))());
  await answerStream(exchange, call, call.stream(request), form, log);
}
