import { describe, expect, it } from "vitest";
import * as limits from "../../lib/base/limits.ts";

describe("limits", () => {
  it("are whole numbers that stay exact", () => {
    for (const [name, value] of Object.entries(limits)) expect(Number.isSafeInteger(value), name).toBe(true);
  });

  it("let a batch of any size into a message, and a message a little too large get our answer", () => {
    // Tag and length of the batch, and of the list that it is in.
    const framingBytes = 2 * (1 + 4);
    expect(limits.batchBytesMax + framingBytes).toBeLessThanOrEqual(limits.messageBytesMax);
    expect(limits.messageBytesHardMax).toBeGreaterThan(limits.messageBytesMax);
  });

  it("let a registration with the most metrics of the longest names into a message", () => {
    const metricBytes = limits.metricNameBytesMax + limits.metricUnitBytesMax + limits.metricDescriptionBytesMax;
    const labelBytes = limits.labelKeyBytesMax + limits.labelValueBytesMax;
    const framingBytes = 32;
    const bytes =
      limits.metricsPerRegistrationMax * (metricBytes + framingBytes) +
      limits.labelsMax * (labelBytes + framingBytes) +
      limits.deviceIdBytesMax +
      limits.spoolIdBytes +
      framingBytes;
    expect(bytes).toBeLessThanOrEqual(limits.messageBytesMax);
  });

  it("keep defaults within their bounds", () => {
    expect(limits.pageSizeDefault).toBeLessThanOrEqual(limits.pageSizeMax);
    expect(limits.pointsDefault).toBeLessThanOrEqual(limits.pointsMax);
    expect(limits.subscriptionIntervalMsDefault).toBeGreaterThanOrEqual(limits.subscriptionIntervalMsMin);
    expect(limits.subscriptionIntervalMsDefault).toBeLessThanOrEqual(limits.subscriptionIntervalMsMax);
  });

  it("span the years that google.protobuf.Timestamp spans", () => {
    expect(new Date(limits.timeMsMin).toISOString()).toBe("0001-01-01T00:00:00.000Z");
    expect(new Date(limits.timeMsMax).toISOString()).toBe("9999-12-31T23:59:59.999Z");
  });
});
