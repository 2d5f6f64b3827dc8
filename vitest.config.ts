import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    setupFiles: ["test/support/property-seed.ts"],
    include: ["test/**/*.test.ts"],
    // `npm run test:crash`: minutes of killing, stopping and starving.
    exclude: ["test/crash/**"],
    // Real servers on real sockets: two cores do better with few at a time.
    maxWorkers: 2,
    testTimeout: 30_000,
  },
});
