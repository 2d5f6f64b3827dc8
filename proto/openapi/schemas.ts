import {
  type DescEnum,
  type DescField,
  type DescMessage,
  type DescOneof,
  type JsonObject,
  ScalarType,
} from "@bufbuild/protobuf";
import { getComments } from "@bufbuild/protoplugin";

/** Messages that JSON writes in a form of their own: https://protobuf.dev/programming-guides/json/ */
const wellKnown: Readonly<Record<string, JsonObject>> = {
  "google.protobuf.Timestamp": { type: "string", format: "date-time" },
  "google.protobuf.Duration": { type: "string", pattern: "^-?[0-9]+(\\.[0-9]{1,9})?s$", examples: ["60s"] },
  "google.protobuf.FieldMask": { type: "string", examples: ["labels,description"] },
  "google.protobuf.Any": {
    type: "object",
    properties: { "@type": { type: "string" } },
    required: ["@type"],
    additionalProperties: true,
  },
};

const double: JsonObject = {
  oneOf: [{ type: "number" }, { type: "string", enum: ["NaN", "Infinity", "-Infinity"] }],
};
/** A string in JSON, whose numbers are exact up to 2^53 only. */
const int64: JsonObject = { type: "string", format: "int64", pattern: "^-?[0-9]+$" };
const uint64: JsonObject = { type: "string", format: "uint64", pattern: "^[0-9]+$" };
const int32: JsonObject = { type: "integer", format: "int32" };
const uint32: JsonObject = { type: "integer", minimum: 0, maximum: 4_294_967_295 };

const scalars: Readonly<Record<ScalarType, JsonObject>> = {
  [ScalarType.DOUBLE]: double,
  [ScalarType.FLOAT]: double,
  [ScalarType.INT64]: int64,
  [ScalarType.SINT64]: int64,
  [ScalarType.SFIXED64]: int64,
  [ScalarType.UINT64]: uint64,
  [ScalarType.FIXED64]: uint64,
  [ScalarType.INT32]: int32,
  [ScalarType.SINT32]: int32,
  [ScalarType.SFIXED32]: int32,
  [ScalarType.UINT32]: uint32,
  [ScalarType.FIXED32]: uint32,
  [ScalarType.BOOL]: { type: "boolean" },
  [ScalarType.STRING]: { type: "string" },
  [ScalarType.BYTES]: { type: "string", contentEncoding: "base64" },
};

/** The component schemas of a document: the messages and enums that it refers to, by their names. */
export class Schemas {
  readonly #byName = new Map<string, JsonObject>();

  all(): Record<string, JsonObject> {
    return Object.fromEntries(this.#byName);
  }

  referTo(desc: DescMessage | DescEnum): JsonObject {
    const own = wellKnown[desc.typeName];
    if (own !== undefined) return own;
    if (!this.#byName.has(desc.typeName)) {
      // Before its fields are looked at, which may lead back to it.
      this.#byName.set(desc.typeName, {});
      this.#byName.set(desc.typeName, desc.kind === "enum" ? enumSchema(desc) : this.#messageSchema(desc));
    }
    return { $ref: `#/components/schemas/${desc.typeName}` };
  }

  /** Without its comment. */
  ofField(field: DescField): JsonObject {
    if (field.fieldKind === "list") return { type: "array", items: this.#single(field) };
    if (field.fieldKind === "map") return { type: "object", additionalProperties: this.#single(field) };
    return this.#single(field);
  }

  #single({ scalar, message, enum: enumeration }: DescField): JsonObject {
    const desc = message ?? enumeration;
    if (desc !== undefined) return this.referTo(desc);
    if (scalar === undefined) throw new Error("a field is of a kind that is not known");
    return scalars[scalar];
  }

  #messageSchema(desc: DescMessage): JsonObject {
    const properties = desc.fields.map((field): [string, JsonObject] => [
      field.jsonName,
      { ...this.ofField(field), description: commentOf(getComments(field)) },
    ]);
    const oneofs = desc.oneofs.filter(({ fields }) => fields.length > 1).map(atMostOne);
    return {
      type: "object",
      description: commentOf(getComments(desc)),
      ...(properties.length > 0 && { properties: Object.fromEntries(properties) }),
      additionalProperties: false,
      ...(oneofs.length > 0 && { allOf: oneofs }),
    };
  }
}

function atMostOne({ fields }: DescOneof): JsonObject {
  // A linter takes what is required for a slip of the pen where nothing of that name is beside it.
  const each = fields.map(({ jsonName }) => ({ properties: { [jsonName]: {} }, required: [jsonName] }));
  return { oneOf: [...each, { not: { anyOf: each } }] };
}

function enumSchema(desc: DescEnum): JsonObject {
  const values = desc.values.map((value) => `- \`${value.name}\`: ${commentOf(getComments(value))}`);
  return {
    type: "string",
    description: [commentOf(getComments(desc)), ...values].join("\n"),
    enum: desc.values.map(({ name }) => name),
  };
}

/** As one paragraph. */
export function commentOf({ leading }: { readonly leading?: string | undefined }): string {
  return (leading ?? "").trim().replaceAll(/\s*\n\s*/g, " ");
}
