import { defineConfig } from "vitest/config";

/** The tests that kill, stop and starve real processes: `npm run test:crash`. */
export default defineConfig({
  test: {
    setupFiles: ["test/support/property-seed.ts"],
    include: ["test/crash/**/*.test.ts"],
    // They wait for servers most of the time; their bounds are those of a busy machine.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
