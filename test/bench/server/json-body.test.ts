import { describe, it } from "vitest";
import { batchSamplesMax, metricsPerRegistrationMax } from "../../../lib/base/limits.ts";
import { benchServerOfFile, plainBatch } from "../../support/bench-server.ts";
import { type BadBody, expectAnswered, expectRefused } from "./support/bad-body.ts";

const running = benchServerOfFile();

const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const head = () => ({ device: plainBatch().device, spool: "0".repeat(32), sequence: 1 });
const sample = { metric: "metric-1", time: 1_768_435_200_000, value: 1 };
const columns = { metrics: ["a", "b"], baseTimeMs: 1_768_435_200_000, offsetsMs: [0, 1], values: [1, 2, 3, 4] };

const bad: readonly BadBody[] = [
  ["json-rows", "nothing", () => Buffer.alloc(0), "MALFORMED_BODY", /body is not JSON/],
  ["json-rows", "half an object", () => Buffer.from('{"device":'), "MALFORMED_BODY", /body is not JSON/],
  ["json-rows", "null", () => json(null), "INVALID_FIELD", /body is null; send one object/],
  ["json-rows", "a list", () => json([]), "INVALID_FIELD", /device is missing/],
  ["json-rows", "no device", () => json({ ...head(), device: 7 }), "INVALID_FIELD", /device is 7/],
  [
    "json-rows",
    "an empty device",
    () => json({ ...head(), device: "", samples: [sample] }),
    "INVALID_FIELD",
    /device is empty/,
  ],
  [
    "json-rows",
    "a long device",
    () => json({ ...head(), device: "x".repeat(257), samples: [sample] }),
    "INVALID_FIELD",
    /257 bytes.*limit is 256/,
  ],
  [
    "json-rows",
    "a short spool",
    () => json({ ...head(), spool: "00", samples: [sample] }),
    "INVALID_FIELD",
    /spool is "00"; send 16 bytes/,
  ],
  [
    "json-rows",
    "sequence 0",
    () => json({ ...head(), sequence: 0, samples: [sample] }),
    "INVALID_FIELD",
    /sequence is 0/,
  ],
  [
    "json-rows",
    "half a sequence",
    () => json({ ...head(), sequence: 1.5, samples: [sample] }),
    "INVALID_FIELD",
    /sequence is 1.5/,
  ],
  ["json-rows", "no samples", () => json({ ...head(), samples: [] }), "INVALID_FIELD", /samples is \[\]/],
  [
    "json-rows",
    "samples that are no list",
    () => json({ ...head(), samples: { length: 3 } }),
    "INVALID_FIELD",
    /samples is/,
  ],
  [
    "json-rows",
    "a sample that is null",
    () => json({ ...head(), samples: [sample, null] }),
    "INVALID_FIELD",
    /samples\[1\] is null/,
  ],
  [
    "json-rows",
    "a metric that is no name",
    () => json({ ...head(), samples: [{ ...sample, metric: 1 }] }),
    "INVALID_FIELD",
    /samples\[0\].metric is 1/,
  ],
  [
    "json-rows",
    "a metric of control characters",
    () => json({ ...head(), samples: [{ ...sample, metric: "\n" }] }),
    "INVALID_FIELD",
    /metric is "\\n"/,
  ],
  [
    "json-rows",
    "a time that is a text",
    () => json({ ...head(), samples: [{ ...sample, time: "now" }] }),
    "INVALID_FIELD",
    /samples\[0\].time is "now"/,
  ],
  [
    "json-rows",
    "a value that is missing",
    () => json({ ...head(), samples: [{ ...sample, value: undefined }] }),
    "INVALID_FIELD",
    /samples\[0\].value is missing/,
  ],
  [
    "json-rows",
    "times too far apart",
    () => json({ ...head(), samples: [sample, { ...sample, time: 0 }] }),
    "INVALID_FIELD",
    /samples of one metric are \d+ ms apart/,
  ],
  [
    "json-rows",
    "an infinite value",
    () =>
      Buffer.from(
        json({ ...head(), samples: [sample] })
          .toString()
          .replace('"value":1', '"value":1e999'),
      ),
    "BATCH_REFUSED_INFINITE_VALUE",
    /infinite|Infinity/i,
  ],
  [
    "json-columns",
    "no metrics",
    () => json({ ...head(), ...columns, metrics: "a" }),
    "INVALID_FIELD",
    /metrics is "a"/,
  ],
  [
    "json-columns",
    "a metric that is no name",
    () => json({ ...head(), ...columns, metrics: ["a", 2] }),
    "INVALID_FIELD",
    /metrics is/,
  ],
  [
    "json-columns",
    "the same metric twice",
    () => json({ ...head(), ...columns, metrics: ["a", "a"] }),
    "BATCH_REFUSED_UNKNOWN_METRIC",
    /twice/,
  ],
  [
    "json-columns",
    "no base time",
    () => json({ ...head(), ...columns, baseTimeMs: null }),
    "INVALID_FIELD",
    /baseTimeMs is null/,
  ],
  [
    "json-columns",
    "a negative offset",
    () => json({ ...head(), ...columns, offsetsMs: [0, -1] }),
    "INVALID_FIELD",
    /offsetsMs is/,
  ],
  [
    "json-columns",
    "a value that is null",
    () => json({ ...head(), ...columns, values: [1, null, 3, 4] }),
    "INVALID_FIELD",
    /values is/,
  ],
  [
    "json-columns",
    "values that do not fit",
    () => json({ ...head(), ...columns, values: [1] }),
    "INVALID_FIELD",
    /values has 1 entries for 2 metrics x 2 times/,
  ],
  [
    "json-columns",
    "nothing in them",
    () => json({ ...head(), metrics: [], baseTimeMs: 0, offsetsMs: [], values: [] }),
    "INVALID_FIELD",
    /values has 0 entries/,
  ],
  [
    "json-columns",
    "more samples than a batch has",
    () =>
      json({
        ...head(),
        ...columns,
        metrics: ["a"],
        offsetsMs: Array(batchSamplesMax + 1).fill(0),
        values: Array(batchSamplesMax + 1).fill(1),
      }),
    "BATCH_REFUSED_BATCH_TOO_LARGE",
    /has more entries, the limit is 100000/,
  ],
  [
    "json-columns",
    "more bytes than a batch has",
    () =>
      json({
        ...head(),
        ...columns,
        metrics: ["a"],
        offsetsMs: Array(200_000).fill(0),
        values: Array(200_000).fill(1),
      }),
    "INVALID_FIELD",
    /batch has \d+ bytes, the limit is/,
  ],
  [
    "json-columns",
    "too many new metrics",
    () =>
      json({
        ...head(),
        ...columns,
        metrics: Array.from({ length: metricsPerRegistrationMax + 1 }, (_, i) => `m${i}`),
        offsetsMs: [0],
        values: Array(metricsPerRegistrationMax + 1).fill(1),
      }),
    "INVALID_FIELD",
    /metrics has 3001 new names, the limit is 3000/,
  ],
];

describe("a bad body of JSON", () => {
  it.each(bad)("%s: %s, is answered with a clear error, and others go on", async (...row) => {
    await expectRefused(running().client, row);
  });

  it.each(["json-rows", "json-columns"] as const)("%s: of random bytes, is answered with 400", async (encoding) => {
    await expectAnswered(running().client, encoding);
  });
});
