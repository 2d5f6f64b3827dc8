import { create, createFileRegistry, type DescMethod, type MessageInitShape, setExtension } from "@bufbuild/protobuf";
import {
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FileDescriptorProtoSchema,
  MethodOptionsSchema,
} from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { bindingOf, bindingsOf } from "../../lib/http/rest/http-rule.ts";
import { readQuery } from "../../lib/http/rest/query-parameters.ts";
import { http } from "../../proto/gen/google/api/annotations_pb.js";
import { HttpRuleSchema } from "../../proto/gen/google/api/http_pb.js";

type Rule = MessageInitShape<typeof HttpRuleSchema>;

/** A method of a made-up service, with its rule. */
function methodWith(rule: Rule, { name = "Get", clientStreaming = false } = {}): DescMethod {
  const options = create(MethodOptionsSchema);
  setExtension(options, http, create(HttpRuleSchema, rule));
  const field = (fieldName: string, number: number, type = FieldDescriptorProto_Type.STRING, typeName?: string) => ({
    name: fieldName,
    jsonName: fieldName.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
    number,
    type,
    label: FieldDescriptorProto_Label.OPTIONAL,
    ...(typeName !== undefined && { typeName }),
  });
  const { MESSAGE, UINT32, BOOL } = FieldDescriptorProto_Type;
  const file = create(FileDescriptorProtoSchema, {
    name: "made.proto",
    package: "made",
    syntax: "proto3",
    messageType: [
      {
        name: "Request",
        field: [
          field("thing_id", 1),
          field("page_size", 2, UINT32),
          field("inner", 3, MESSAGE, ".made.Inner"),
          { ...field("names", 4), label: FieldDescriptorProto_Label.REPEATED },
        ],
      },
      { name: "Inner", field: [field("is_on", 1, BOOL)] },
      { name: "Deep", field: [field("deep", 1, MESSAGE, ".made.Deep")] },
    ],
    service: [
      {
        name: "Things",
        method: [
          { name, inputType: ".made.Request", outputType: ".made.Inner", options, clientStreaming },
          { name: `${name}Deep`, inputType: ".made.Deep", outputType: ".made.Inner", options },
        ],
      },
    ],
  });
  const service = createFileRegistry(file, () => undefined).getService("made.Things");
  const [method] = service?.methods ?? [];
  if (method === undefined) throw new Error("the service has no method");
  return method;
}

const pattern = (value: string, verb: "get" | "post" | "delete" | "patch" | "put" = "get") => ({
  pattern: { case: verb, value },
});

describe("an annotation", () => {
  it("says where a method is called, and what is told where", () => {
    const binding = bindingOf(methodWith(pattern("/v1/things/{thing_id}")));
    expect(binding).toMatchObject({ verb: "GET", body: undefined, template: "/v1/things/{thing_id}" });
    expect(binding?.parameters.map(({ name }) => name)).toEqual(["pageSize", "inner.isOn", "names"]);
  });

  it.each<[string, Rule]>([
    ["put", pattern("/v1/things", "put")],
    ["custom", { pattern: { case: "custom", value: { kind: "LINK", path: "/v1" } } }],
    ["undefined", {}],
    ["additional_bindings", { ...pattern("/v1/things"), additionalBindings: [pattern("/v2/things")] }],
    ["response_body", { ...pattern("/v1/things"), responseBody: "is_on" }],
    ["{thing_id=things", pattern("/v1/{thing_id=things/*}")],
    ["{page_size}", pattern("/v1/{page_size}")],
    ["{nothing}", pattern("/v1/{nothing}")],
    ["**", pattern("/v1/**")],
    ["v1/things", pattern("v1/things")],
    ["a body of GET", { ...pattern("/v1/things"), body: "*" }],
    ["a body of DELETE", { ...pattern("/v1/things", "delete"), body: "inner" }],
    ["page_size", { ...pattern("/v1/things", "post"), body: "page_size" }],
  ])("that has %s is refused, with the name of its method", (problem, rule) => {
    expect(() => bindingOf(methodWith(rule))).toThrow("made.Things.Get");
    expect(() => bindingOf(methodWith(rule))).toThrow(problem);
  });

  it("of a method whose client streams is refused", () => {
    expect(() => bindingOf(methodWith(pattern("/v1"), { clientStreaming: true }))).toThrow("streams");
  });

  it("whose query would have no end is refused", () => {
    const deep = methodWith(pattern("/v1/things")).parent.methods[1];
    if (deep === undefined) throw new Error("the service has one method");
    expect(() => bindingOf(deep)).toThrow("so deep");
  });

  it("is refused where two methods have one path", () => {
    const [one, other] = [methodWith(pattern("/v1/{thing_id}")), methodWith(pattern("/v1/all"), { name: "All" })];
    expect(() => bindingsOf([one, other])).toThrow("made.Things.Get and made.Things.All");
    expect(bindingsOf([one, methodWith(pattern("/v1/all/of"), { name: "All" })])).toHaveLength(2);
  });
});

describe("a query", () => {
  const { parameters } = bindingOf(methodWith(pattern("/v1/things"))) ?? { parameters: [] };

  it("is read by the names of JSON and of the contract", () => {
    expect(readQuery("thingId=a%20b&inner.is_on=true&names=x&names=y", parameters)).toEqual({
      thingId: "a b",
      inner: { isOn: true },
      names: ["x", "y"],
    });
    expect(readQuery("", parameters)).toEqual({});
  });

  it.each(["thing=1", "inner=1", "inner.is_on=1", "thingId=1&thing_id=2", "__proto__=1", "constructor=1", "inner.=1"])(
    "is refused for %s",
    (query) => {
      expect(() => readQuery(query, parameters)).toThrow(expect.objectContaining({ status: "INVALID_ARGUMENT" }));
    },
  );
});
