import { defineConfig } from "vitest/config";

/** The tests that kill, stop and starve real processes: `npm run test:crash`. */
export default defineConfig({
  test: {
    setupFiles: ["test/support/property-seed.ts"],
    include: ["test/crash/**/*.test.ts"],
    // One at a time: they measure what a server does under load.
    fileParallelism: false,
    testTimeout: 60_000,
  },
});
