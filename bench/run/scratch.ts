import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Works in a new temporary directory, which is gone afterwards, also when the process is ended meanwhile. */
export async function inScratch<T>(name: string, work: (dir: string) => Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), `tidemark-${name}-`));
  const remove = () => rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
  process.once("exit", remove);
  try {
    return await work(dir);
  } finally {
    process.off("exit", remove);
    remove();
  }
}
