import { describe, expect, it } from "vitest";
import { errorMessage, fromFields, invalidField, TelemetryError, toFields } from "../../lib/base/errors.ts";

describe("invalidField", () => {
  it("names field, problem and remedy", () => {
    const error = invalidField("batch.sequence", "is 0", "count from 1");
    expect(error.message).toBe("batch.sequence is 0; count from 1");
    expect(error).toMatchObject({ status: "INVALID_ARGUMENT", reason: "INVALID_FIELD", field: "batch.sequence" });
  });
});

describe("toFields and fromFields", () => {
  it("carry an error across a thread boundary", () => {
    function f(error: TelemetryError): void {
      const copy = fromFields(structuredClone(toFields(error)));
      expect(copy).toBeInstanceOf(TelemetryError);
      expect(toFields(copy)).toEqual(toFields(error));
    }
    f(invalidField("page_size", "is 5000", "choose less"));
    f(new TelemetryError("FAILED_PRECONDITION", "SEQUENCE_GAP", "a hole", { metadata: { expected_sequence: "42" } }));
    f(new TelemetryError("INTERNAL", "BROKEN", "sorry", { cause: new Error("why") }));
  });
});

describe("errorMessage", () => {
  it("tells the message of anything that was thrown", () => {
    expect(errorMessage(new TypeError("no"))).toBe("no");
    expect(errorMessage("plain text")).toBe("plain text");
    expect(errorMessage(undefined)).toBe("undefined");
  });
});
