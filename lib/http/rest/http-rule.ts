import { type DescField, type DescMethod, getOption, hasOption, ScalarType } from "@bufbuild/protobuf";
import { http } from "../../../proto/gen/google/api/annotations_pb.js";
import type { HttpRule } from "../../../proto/gen/google/api/http_pb.js";
import { type QueryParameter, queryParametersOf } from "./query-parameters.ts";

export const verbs = ["GET", "POST", "PATCH", "DELETE"] as const;
export type Verb = (typeof verbs)[number];

/** A piece of a path between slashes: itself, or any value of a field. */
export type Segment =
  | { readonly kind: "literal"; readonly text: string }
  | { readonly kind: "variable"; readonly field: DescField };

/** Where a method is called by HTTP, and what of its request is told where. */
export interface HttpBinding {
  readonly method: DescMethod;
  readonly verb: Verb;
  /** `/v1/devices/{device_id}`. */
  readonly template: string;
  readonly segments: readonly Segment[];
  /** The whole request, one field of it, or nothing is the body. */
  readonly body: "*" | DescField | undefined;
  /** What is told by the query: all that is neither in the path nor the body. */
  readonly parameters: readonly QueryParameter[];
}

/**
 * What `google.api.http` says of a method. Of the annotations only some are served: one rule of get, post, patch or
 * delete, a path of words and `{field}`, a body of `*` or one field.
 * @returns undefined: it is not called by HTTP
 * @throws Error what else it says: that is a fault of the contract, and found when a server starts
 */
export function bindingOf(method: DescMethod): HttpBinding | undefined {
  if (!hasOption(method, http)) return undefined;
  const rule = getOption(method, http);
  const fail = (problem: string): never => {
    throw new Error(`google.api.http of ${method.parent.typeName}.${method.name}: ${problem} is not supported`);
  };
  if (method.methodKind !== "unary" && method.methodKind !== "server_streaming") fail("a client that streams");
  if (rule.additionalBindings.length > 0) fail("additional_bindings");
  if (rule.responseBody !== "") fail("response_body");
  if (rule.selector !== "") fail("selector");
  const { verb, template } = patternOf(rule) ?? fail(`the pattern ${JSON.stringify(rule.pattern.case)}`);
  const segments = segmentsOf(method, template, fail);
  const body = bodyOf(method, rule.body, fail);
  if (body !== undefined && (verb === "GET" || verb === "DELETE")) fail(`a body of ${verb}`);
  const inPath = segments.flatMap((segment) => (segment.kind === "variable" ? [segment.field] : []));
  if (typeof body === "object" && inPath.includes(body)) fail(`${body.name} in path and body`);
  const elsewhere = new Set(typeof body === "object" ? [...inPath, body] : inPath);
  const parameters = body === "*" ? [] : queryParametersOf(method.input, elsewhere, fail);
  return { method, verb, template, segments, body, parameters };
}

/**
 * The bindings of several methods.
 * @throws Error also where one request would be of two of them
 */
export function bindingsOf(methods: readonly DescMethod[]): HttpBinding[] {
  const bindings = methods.map(bindingOf).filter((binding) => binding !== undefined);
  for (const [i, binding] of bindings.entries()) {
    const other = bindings.slice(0, i).find((before) => before.verb === binding.verb && overlap(before, binding));
    if (other !== undefined) {
      const names = [other, binding].map(({ method }) => `${method.parent.typeName}.${method.name}`);
      throw new Error(`google.api.http: ${binding.verb} ${binding.template} is of ${names.join(" and ")}`);
    }
  }
  return bindings;
}

function overlap({ segments }: HttpBinding, other: HttpBinding): boolean {
  if (segments.length !== other.segments.length) return false;
  return segments.every((segment, i) => {
    const beside = other.segments[i];
    return segment.kind === "variable" || beside?.kind !== "literal" || segment.text === beside.text;
  });
}

function patternOf({ pattern }: HttpRule): { verb: Verb; template: string } | undefined {
  if (pattern.case === undefined || pattern.case === "put" || pattern.case === "custom") return undefined;
  return { verb: pattern.case.toUpperCase() as Verb, template: pattern.value };
}

function segmentsOf({ input }: DescMethod, template: string, fail: (problem: string) => never): Segment[] {
  if (!template.startsWith("/")) fail(`the path ${JSON.stringify(template)}`);
  return template
    .slice(1)
    .split("/")
    .map((text): Segment => {
      const [, name] = /^\{([a-z0-9_]+)\}$/.exec(text) ?? [];
      if (name === undefined) {
        // A verb after a colon is a part of its word.
        return /^[A-Za-z0-9_.:-]+$/.test(text) ? { kind: "literal", text } : fail(`${JSON.stringify(text)} in a path`);
      }
      const field = input.fields.find((each) => each.name === name);
      if (field?.fieldKind !== "scalar" || field.scalar !== ScalarType.STRING) return fail(`the variable {${name}}`);
      return { kind: "variable", field };
    });
}

function bodyOf({ input }: DescMethod, name: string, fail: (problem: string) => never): HttpBinding["body"] {
  if (name === "") return undefined;
  if (name === "*") return "*";
  const field = input.fields.find((each) => each.name === name);
  return field?.fieldKind === "message" ? field : fail(`the body ${JSON.stringify(name)}`);
}
