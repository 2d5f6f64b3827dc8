import { describe, expect, it } from "vitest";
import { studentT } from "../../../bench/report/student-t.ts";

describe("Student's t", () => {
  // NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2, upper critical values.
  it.each([
    [0.95, 1, 12.706],
    [0.95, 2, 4.303],
    [0.95, 3, 3.182],
    [0.95, 4, 2.776],
    [0.95, 9, 2.262],
    [0.95, 30, 2.042],
    [0.95, 100, 1.984],
    [0.99, 1, 63.657],
    [0.99, 5, 4.032],
    [0.9, 10, 1.812],
  ])("of %d and %d degrees of freedom is %d, as printed", (confidence, degreesOfFreedom, t) => {
    expect(studentT(confidence, degreesOfFreedom)).toBeCloseTo(t, 3);
  });

  it("has closed forms for one and two degrees of freedom", () => {
    for (const p of [0.5, 0.8, 0.95, 0.999]) {
      expect(studentT(p, 1) / Math.tan((Math.PI / 2) * p)).toBeCloseTo(1, 9);
      expect(studentT(p, 2) / (p * Math.sqrt(2 / (1 - p ** 2)))).toBeCloseTo(1, 9);
    }
  });

  it("nears the normal distribution's quantile", () => {
    expect(studentT(0.95, 1e6)).toBeCloseTo(1.95996, 4);
  });

  it("falls as the degrees of freedom grow, whole or not", () => {
    const each = [1, 1.3, 1.9, 2, 2.5, 3.7, 8, 8.1].map((freedom) => studentT(0.95, freedom));
    expect([...each].sort((a, b) => b - a)).toEqual(each);
  });
});
