import { expect, it } from "vitest";
import { streamLog } from "../../lib/base/log.ts";

it("writes one line per message, and marks warnings", () => {
  const lines: string[] = [];
  const log = streamLog({ write: (text) => lines.push(text) });
  log.info("listening");
  log.warn("disk is slow");
  expect(lines).toEqual(["tidemark: listening\n", "tidemark: warning: disk is slow\n"]);
});
