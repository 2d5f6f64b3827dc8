import { readFileSync } from "node:fs";
import type { DescMethod } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { bindingsOf } from "../../lib/http/rest/http-rule.ts";
import { AdminService } from "../../proto/gen/telemetry/v1/admin_service_pb.js";
import { DeviceService } from "../../proto/gen/telemetry/v1/device_service_pb.js";
import { IngestService } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";

const document = JSON.parse(readFileSync(new URL("../../proto/gen/openapi.json", import.meta.url), "utf8"));
const services = [IngestService, QueryService, DeviceService, AdminService];
const bindings = bindingsOf(services.flatMap((service): DescMethod[] => service.methods));

describe("the OpenAPI document", () => {
  it("has every method that is called by HTTP, and no others", () => {
    const operations = Object.values(document.paths).flatMap((path) => Object.values(path as object));
    const names = operations.map(({ operationId }) => operationId).sort();
    expect(names).toEqual(bindings.map(({ method }) => `${method.parent.name}_${method.name}`).sort());
  });

  it("refers to nothing that it does not have", () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/(\w+)\/([^"]+)"/g)];
    expect(references.length).toBeGreaterThan(20);
    expect(references.filter(([, kind = "", name = ""]) => document.components[kind]?.[name] === undefined)).toEqual(
      [],
    );
  });

  it("describes what it tells of", () => {
    const schemas = Object.entries<{ description?: string }>(document.components.schemas);
    expect(schemas.filter(([, { description = "" }]) => description === "").map(([name]) => name)).toEqual([]);
    const parameters = document.paths["/v1/aggregates"].get.parameters as { name: string; description: string }[];
    expect(parameters.map(({ name }) => name)).toContain("selector.deviceIds");
    expect(parameters.filter(({ description }) => description === "")).toEqual([]);
  });

  it("tells 64 bits and enums as text, and streams as what they are", () => {
    const { schemas } = document.components;
    expect(schemas["telemetry.v1.Device"].properties.ackedSequence.type).toBe("string");
    expect(schemas["telemetry.v1.DeviceConnection"].enum).toContain("DEVICE_CONNECTION_SILENT");
    const { content } = document.paths["/v1/aggregates"].get.responses["200"];
    expect(Object.keys(content)).toEqual(["application/x-ndjson", "text/event-stream", "text/csv"]);
  });
});
