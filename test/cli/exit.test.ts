import { describe, expect, it } from "vitest";
import { remedyOf } from "../../cli/exit.ts";
import { TelemetryError } from "../../lib/base/errors.ts";

describe("a remedy of the command line", () => {
  it("names the flags for who has not said who calls, and is left out otherwise", () => {
    const missing = new TelemetryError("UNAUTHENTICATED", "CREDENTIALS_MISSING", "nothing says who calls");
    expect(remedyOf(missing)).toMatch(/--token or TIDEMARK_TOKEN/);
    expect(remedyOf(new TelemetryError("UNAUTHENTICATED", "CREDENTIALS_EXPIRED", "it has ended"))).toBe("");
    expect(remedyOf(new Error("a bug"))).toBe("");
  });
});
