import { defineConfig } from "vitest/config";
import { compileCache } from "./test/support/compile-cache.ts";

export default defineConfig({
  test: {
    env: { NODE_COMPILE_CACHE: compileCache },
    setupFiles: ["test/support/property-seed.ts"],
    include: ["test/**/*.test.ts"],
    // `npm run test:crash`: minutes of killing, stopping and starving.
    exclude: ["test/crash/**"],
    // Real servers on real sockets: two cores do better with few at a time, and some wait for others.
    maxWorkers: 3,
    testTimeout: 60_000,
    // Hooks start servers and replay files too: what is a test's bound is theirs.
    hookTimeout: 60_000,
  },
});
