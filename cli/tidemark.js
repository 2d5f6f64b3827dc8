#!/usr/bin/env node
import { existsSync } from "node:fs";
import { beside, runUnderNode24 } from "./node24.js";

// TypeScript in a checkout, JavaScript in the published package.
const source = beside("./main.ts", import.meta.url);
await runUnderNode24(existsSync(source) ? source : beside("./main.js", import.meta.url), process.argv.slice(2));
