// Plain JavaScript that every Node reads: it says what is missing before anything newer is loaded.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";

const majorMin = 24;

/**
 * Runs a module under Node 24: this one, or the one that the package brings along for Linux on x64 and arm64. npm 11
 * puts that one first on the PATH of its scripts, npm 10 does not.
 * @param {string} file
 * @param {string[]} args
 */
export async function runUnderNode24(file, args) {
  if (Number(process.versions.node.split(".", 1)[0]) >= majorMin) {
    process.argv = [process.execPath, file, ...args];
    await import(pathToFileURL(file).href);
    return;
  }
  const node = ownNode();
  if (node === undefined) {
    process.stderr.write(
      `tidemark: error: this is Node ${process.versions.node}, tidemark needs Node ${majorMin} or newer; install it ` +
        "(on Linux, x64 and arm64, npm ci brings it along)\n",
    );
    process.exit(2);
  }
  const child = spawn(node, [file, ...args], { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => process.exit(signal === null ? code : 1));
}

function ownNode() {
  try {
    return createRequire(import.meta.url).resolve(`node-${process.platform}-${process.arch}/bin/node`);
  } catch {
    return undefined;
  }
}

/** Path of a file beside a module. */
export function beside(name, from) {
  return fileURLToPath(new URL(name, from));
}
