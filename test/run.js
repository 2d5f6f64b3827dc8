// `npm test`: vitest, under Node 24.
import { beside, runUnderNode24 } from "../cli/node24.js";

await runUnderNode24(beside("../node_modules/vitest/vitest.mjs", import.meta.url), ["run", ...process.argv.slice(2)]);
