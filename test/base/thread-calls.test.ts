import { describe, expect, it } from "vitest";
import { TelemetryError } from "../../lib/base/errors.ts";
import { failedReply, ThreadCalls } from "../../lib/base/thread-calls.ts";

interface Calls {
  double(value: number): number;
}

describe("calls of another thread", () => {
  it("keep the fields of an error of ours", async () => {
    const posted: { id: number }[] = [];
    const calls = new ThreadCalls<Calls>((call) => posted.push(call));
    const answer = calls.call("double", 2);
    const error = new TelemetryError("NOT_FOUND", "NO_SUCH_THING", "there is none", { field: "value" });
    calls.onReply(structuredClone(failedReply(posted[0]?.id ?? 0, error)));
    await expect(answer).rejects.toMatchObject({ status: "NOT_FOUND", reason: "NO_SUCH_THING", field: "value" });
  });

  it("fail at once when the thread has ended, those under way and those that come", async () => {
    const posted: unknown[] = [];
    const calls = new ThreadCalls<Calls>((call) => posted.push(call));
    const before = calls.call("double", 1);
    calls.failAll(new Error("out of memory"));
    await expect(before).rejects.toThrow("out of memory");
    await expect(calls.call("double", 2)).rejects.toThrow("out of memory");
    expect(posted).toHaveLength(1);
  });
});
