// `npm run test:kills -- --kills 500 [--seed N]`: the kill test, for as long as asked.
import { parseArgs } from "node:util";
import { beside, runUnderNode24 } from "../cli/node24.js";

const { values } = parseArgs({
  options: { kills: { type: "string", default: "500" }, seed: { type: "string", default: "1" } },
});
process.env.KILLS = values.kills;
process.env.KILLS_SEED = values.seed;
const vitest = beside("../node_modules/vitest/vitest.mjs", import.meta.url);
await runUnderNode24(vitest, ["run", "--config", "vitest.crash.config.ts", "test/crash/kills.test.ts"]);
