import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";

/**
 * Writes lines as fast as they are taken: what reads them waits with them. A file appears when it is whole.
 * @param chunks each some whole lines, without the end of the last one
 * @param file undefined: standard output
 */
export async function writeLines(chunks: AsyncIterable<readonly string[]>, file: string | undefined): Promise<void> {
  const texts = async function* () {
    for await (const lines of chunks) if (lines.length > 0) yield `${lines.join("\n")}\n`;
  };
  if (file === undefined) {
    await pipeline(texts, process.stdout, { end: false });
    return;
  }
  const partial = `${file}.partial`;
  try {
    await pipeline(texts, createWriteStream(partial, { flush: true }));
    await rename(partial, file);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}
