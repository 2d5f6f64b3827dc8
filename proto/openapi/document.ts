import { createFileRegistry, type DescMethod, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import type { FileDescriptorSet } from "@bufbuild/protobuf/wkt";
import { getComments } from "@bufbuild/protoplugin";
import { bindingsOf, type HttpBinding } from "../../lib/http/rest/http-rule.ts";
import type { QueryParameter } from "../../lib/http/rest/query-parameters.ts";
import { commentOf, Schemas } from "./schemas.ts";

export interface OpenApiOptions {
  readonly version: string;
  /** Paths of the methods whose answers come as CSV too. */
  readonly csv: ReadonlySet<string>;
}

/**
 * The OpenAPI 3.1 document of the methods that have a `google.api.http` annotation.
 * @param files with their comments
 * @throws Error when an annotation is not supported
 */
export function openApi(files: FileDescriptorSet, { version, csv }: OpenApiOptions): JsonObject {
  const registry = createFileRegistry(files);
  const services = [...registry].filter((desc) => desc.kind === "service");
  const bindings = bindingsOf(services.flatMap((service) => service.methods));
  const schemas = new Schemas();
  const paths: Record<string, JsonObject> = {};
  for (const binding of bindings) {
    const path = pathOf(binding);
    paths[path] = { ...paths[path], [binding.verb.toLowerCase()]: operationOf(binding, schemas, csv) };
  }
  const status = registry.getMessage("google.rpc.Status");
  if (status === undefined) throw new Error("the contract has no google.rpc.Status");
  const error = schemas.referTo(status);
  const tagged = services.filter((service) => bindings.some(({ method }) => method.parent === service));
  return {
    openapi: "3.1.0",
    info: {
      title: "Tidemark",
      version,
      description:
        "Streaming telemetry for fleets of devices. The same methods as over gRPC; Connect and gRPC-Web are served on the same port.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    security: [{ bearer: [] }, { basic: [] }, {}],
    tags: tagged.map((service) => ({ name: service.name, description: commentOf(getComments(service)) })),
    paths: sorted(paths),
    components: {
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", description: "A token of `tidemark access token`." },
        basic: { type: "http", scheme: "basic", description: "A user of `tidemark access user`." },
      },
      responses: {
        Error: {
          description: "The call has failed. `details` has a google.rpc.ErrorInfo, whose `reason` is stable.",
          content: { "application/json": { schema: error } },
        },
      },
      schemas: sorted(schemas.all()),
    },
  };
}

/** `/v1/devices/{deviceId}`: variables by their names in JSON. */
function pathOf({ segments }: HttpBinding): string {
  return segments
    .map((segment) => (segment.kind === "literal" ? `/${segment.text}` : `/{${segment.field.jsonName}}`))
    .join("");
}

function operationOf(binding: HttpBinding, schemas: Schemas, csv: ReadonlySet<string>): JsonObject {
  const { method, segments, parameters, body } = binding;
  const description = commentOf(getComments(method));
  const inPath = segments.flatMap((segment) => (segment.kind === "variable" ? [segment.field] : []));
  const all = [
    ...inPath.map((field) => ({
      name: field.jsonName,
      in: "path",
      required: true,
      description: commentOf(getComments(field)),
      schema: schemas.ofField(field),
    })),
    ...parameters.map((parameter) => queryParameter(parameter, schemas)),
    ...resumeHeader(method),
  ];
  const schema = body === "*" ? schemas.referTo(method.input) : body && schemas.ofField(body);
  return {
    operationId: `${method.parent.name}_${method.name}`,
    tags: [method.parent.name],
    summary: summaryOf(description),
    description,
    parameters: all,
    ...(schema !== undefined && { requestBody: { required: true, content: { "application/json": { schema } } } }),
    responses: {
      "200": answerOf(method, schemas, csv),
      "4XX": { $ref: "#/components/responses/Error" },
      "5XX": { $ref: "#/components/responses/Error" },
    },
  };
}

function queryParameter({ name, field }: QueryParameter, schemas: Schemas): JsonObject {
  const description = commentOf(getComments(field));
  if (field.fieldKind === "map") {
    const schema = { type: "array", items: { type: "string", pattern: "^[^=]+=" } };
    return { name, in: "query", description: `${description} As KEY=VALUE, once for each.`, schema };
  }
  return { name, in: "query", description, schema: schemas.ofField(field) };
}

/** A stream whose messages have a token goes on after the last one that an event source has seen. */
function resumeHeader({ methodKind, input }: DescMethod): JsonObject[] {
  if (methodKind !== "server_streaming" || !input.fields.some(({ name }) => name === "resume_token")) return [];
  const description = "The id of the last event of a stream that was lost: the resume token after which to go on.";
  return [{ name: "Last-Event-ID", in: "header", description, schema: { type: "string" } }];
}

function answerOf(method: DescMethod, schemas: Schemas, csv: ReadonlySet<string>): JsonObject {
  const schema = schemas.referTo(method.output);
  const told = commentOf(getComments(method.output));
  if (method.methodKind === "unary") return { description: told, content: { "application/json": { schema } } };
  const content: Record<string, JsonValue> = {
    "application/x-ndjson": { schema },
    "text/event-stream": { schema: { type: "string" } },
  };
  if (csv.has(`/${method.parent.typeName}/${method.name}`)) content["text/csv"] = { schema: { type: "string" } };
  return {
    description: `${told} A stream: a message per line, or per event as its data. What fails in the middle of it is told by a last line {"error": Status}, or an event "failed"; an event "end" is the last one otherwise.`,
    content,
  };
}

/** The first sentence. */
function summaryOf(description: string): string {
  return /^.*?[.:](?=\s|$)/s.exec(description)?.[0].replace(/[.:]$/, "") ?? description;
}

function sorted<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}
