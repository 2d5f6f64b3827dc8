import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";

const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
const built = fileURLToPath(new URL("../../query/dashboard/dist/index.html", import.meta.url));

/** Why the browser tests cannot run here; undefined: they can. In CI nothing is skipped. */
export const missing =
  process.env["CI"] === "true"
    ? undefined
    : executablePath === undefined
      ? "chromium is not installed"
      : existsSync(built)
        ? undefined
        : "the dashboard is not built: npm run build:dashboard";

export async function launch(): Promise<Browser> {
  if (executablePath === undefined) throw new Error("chromium is not installed: apt-get install chromium");
  // Without the sandbox it runs as root too; it opens nothing but the pages of these tests.
  return await chromium.launch({ executablePath, args: ["--no-sandbox"] });
}

/** A page, with whatever it complains of: errors, violations of its policy, and addresses outside its server. */
export interface WatchedPage {
  readonly page: Page;
  readonly complaints: string[];
}

/**
 * Opens `path` of a server.
 * @param address `HOST:PORT`
 */
export async function open(
  browser: Browser,
  address: string,
  path = "/",
  options: Parameters<Browser["newPage"]>[0] = {},
): Promise<WatchedPage> {
  const page = await browser.newPage(options);
  const complaints: string[] = [];
  const origin = `http://${address}`;
  page.on("pageerror", ({ message }) => complaints.push(message));
  page.on("console", (message) => {
    // A connection that is lost on purpose is told there, too.
    if (message.type() === "error" && !/Failed to load resource|ERR_/.test(message.text()))
      complaints.push(message.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(`${origin}/`) && !request.url().startsWith(`blob:${origin}/`)) {
      complaints.push(`asked ${request.url()}`);
    }
  });
  await page.addInitScript(`document.addEventListener("securitypolicyviolation",
    (event) => console.error("policy: " + event.violatedDirective + " " + event.blockedURI))`);
  await page.goto(origin + path);
  return { page, complaints };
}

/**
 * Resolves when an expression of the page is true. Evaluated once, and looked at again and again: the page's policy lets
 * nobody evaluate text later, as Playwright's own would.
 */
export async function until(page: Page, expression: string, timeoutMs = 5_000): Promise<void> {
  await page.evaluate(`new Promise((resolve, reject) => {
    const endMs = performance.now() + ${timeoutMs};
    const look = () => {
      if (${expression}) resolve();
      else if (performance.now() > endMs) reject(new Error("not within ${timeoutMs} ms: " + ${JSON.stringify(expression)}));
      else setTimeout(look, 20);
    };
    look();
  })`);
}

/** What axe finds, as `rule: where`. */
export async function violations(page: Page): Promise<string[]> {
  // Evaluated, and not added as a script: the page's policy has no room for that.
  await page.evaluate(await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8"));
  return (await page.evaluate(`axe.run(document).then(({ violations }) =>
    violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => id + ": " + target.join(" "))))`)) as string[];
}

/** A port that was free just now, for a server that comes back at the same address. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
