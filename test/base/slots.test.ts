import { describe, expect, it } from "vitest";
import { TelemetryError } from "../../lib/base/errors.ts";
import { Slots } from "../../lib/base/slots.ts";
import { neverAborted } from "../../lib/base/wait.ts";

const tooMany = () => new TelemetryError("RESOURCE_EXHAUSTED", "TOO_MANY", "too many");

describe("slots", () => {
  it("are given to so many at once, then in turn", async () => {
    const slots = new Slots(2, 10, tooMany);
    const first = await slots.take(neverAborted);
    await slots.take(neverAborted);
    const order: string[] = [];
    const later = ["a", "b"].map(async (name) => {
      const giveBack = await slots.take(neverAborted);
      order.push(name);
      giveBack();
    });
    await Promise.resolve();
    expect(order).toEqual([]);
    first();
    await Promise.all(later);
    expect(order).toEqual(["a", "b"]);
    // What was given back is free again.
    await slots.take(neverAborted);
  });

  it("are refused when too many wait", async () => {
    const slots = new Slots(1, 1, tooMany);
    const giveBack = await slots.take(neverAborted);
    const waiting = slots.take(neverAborted);
    await expect(slots.take(neverAborted)).rejects.toMatchObject({ reason: "TOO_MANY" });
    giveBack();
    await waiting;
  });

  it("are not given to who has gone meanwhile", async () => {
    const slots = new Slots(1, 10, tooMany);
    const giveBack = await slots.take(neverAborted);
    const gone = new AbortController();
    const waiting = slots.take(gone.signal);
    const next = slots.take(neverAborted);
    gone.abort();
    await expect(waiting).rejects.toMatchObject({ status: "CANCELLED" });
    giveBack();
    await next;
    await expect(slots.take(gone.signal)).rejects.toMatchObject({ status: "CANCELLED" });
  });
});
