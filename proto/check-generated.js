// Fails when proto/gen is not what `npm run generate` makes of the .proto files.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const out = mkdtempSync(join(tmpdir(), "tidemark-gen-"));
try {
  execFileSync("buf", ["generate", "-o", out], { stdio: "inherit" });
  execFileSync(process.execPath, ["proto/openapi/main.ts", join(out, "proto/gen/openapi.json")], { stdio: "inherit" });
  execFileSync("git", ["diff", "--no-index", "--stat", "--exit-code", "proto/gen", join(out, "proto/gen")], {
    stdio: "inherit",
  });
} catch {
  process.stderr.write("proto/gen is stale: run npm run generate, and commit what it makes\n");
  process.exitCode = 1;
} finally {
  rmSync(out, { recursive: true });
}
