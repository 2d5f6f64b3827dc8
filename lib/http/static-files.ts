import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { extname, join, relative, sep } from "node:path";
import type { Exchange } from "./exchange.ts";
import type { HttpPart, Resource } from "./router.ts";

/** Where files are served. */
export interface StaticFolder {
  /** Path that its files are under, with a slash at its end: `/api/`. */
  readonly at: string;
  /** All files of it, also those in folders of it. */
  readonly folder: string;
}

/** Nothing but what comes from here: no script or style in a page, no frame around it. Icons are in style sheets. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const types: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".ico": "image/x-icon",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".map": "application/json",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".webmanifest": "application/manifest+json",
  ".woff2": "font/woff2",
};

/** What a bundler names by its content, in its folder for that: it never changes under its name. */
const hashedName = /\/assets\/[^/]*-[\w-]{8}\.[^/]+$/;

interface StaticFile {
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
  readonly etag: string;
}

/**
 * The files of a folder, read once: a path is looked up among them, and never goes to the file system.
 * @throws Error when the folder cannot be read, or has a file of a kind that is not known
 */
export function staticFiles(folder: StaticFolder): HttpPart {
  const files = new Map(filesOf(folder));
  return {
    find(path) {
      const file = files.get(path.endsWith("/") ? `${path}index.html` : path);
      if (file !== undefined) return resourceOf(file);
      return files.has(`${path}/index.html`) ? movedTo(`${path}/`) : undefined;
    },
  };
}

function filesOf({ at, folder }: StaticFolder): [string, StaticFile][] {
  const found = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
  return found.map((name) => {
    const path = at + name.split(sep).map(encodeURIComponent).join("/");
    return [path, fileOf(path, readFileSync(join(folder, name)))];
  });
}

function fileOf(path: string, body: Buffer): StaticFile {
  const type = types[extname(path)];
  if (type === undefined) throw new Error(`${path} is of a kind that is not served; add it, or leave the file out`);
  const etag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
  return {
    body,
    etag,
    headers: {
      etag,
      // Kept, and asked for again each time whether it is the same.
      "cache-control": hashedName.test(path) ? "public, max-age=31536000, immutable" : "no-cache",
      "content-security-policy": contentSecurityPolicy,
      "content-type": type,
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-resource-policy": "same-origin",
      "referrer-policy": "no-referrer",
    },
  };
}

function resourceOf({ body, etag, headers }: StaticFile): Resource {
  return {
    allow: ["GET", "HEAD"],
    async answer(exchange: Exchange) {
      const known = exchange.header("if-none-match")?.split(/ *, */) ?? [];
      if (known.includes(etag)) exchange.sendEmpty(304, headers);
      else exchange.send({ status: 200, contentType: headers["content-type"] ?? "", body, headers });
    },
  };
}

/** Its links count from the folder. */
function movedTo(location: string): Resource {
  return {
    allow: ["GET", "HEAD"],
    answer: async (exchange) => exchange.sendEmpty(308, { location, "content-length": "0" }),
  };
}
