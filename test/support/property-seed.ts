import fc from "fast-check";

/** Property tests draw the same cases in every run, so that one that is red is red again; another seed draws others. */
fc.configureGlobal({
  seed: Number(process.env["TEST_SEED"] ?? 1),
  endOnFailure: process.env["TEST_SHRINK"] === "no",
});
