import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { silentLog } from "../../lib/base/log.ts";
import { listenHttp } from "../../lib/http/http-listener.ts";
import { staticFiles } from "../../lib/http/static-files.ts";
import { startServer } from "../support/server.ts";
import { ask } from "./support/http.ts";

async function serveFiles(): Promise<string> {
  const outer = await mkdtemp(join(tmpdir(), "tidemark-test-"));
  const folder = join(outer, "site");
  await mkdir(join(folder, "assets"), { recursive: true });
  await writeFile(join(outer, "secret.txt"), "secret");
  await writeFile(join(folder, "index.html"), "<!doctype html>");
  await writeFile(join(folder, "assets/index-BxY_1234.js"), "let a;");
  await writeFile(join(folder, "assets/with space.svg"), "<svg/>");
  const listener = await listenHttp("127.0.0.1:0", [staticFiles({ at: "/site/", folder })], { log: silentLog });
  onTestFinished(async () => {
    await listener.close(0);
    await rm(outer, { recursive: true });
  });
  return listener.address;
}

/** As it is: clients clean paths up. */
function statusLineOf(address: string, path: string): Promise<string> {
  const [host = "", port = ""] = address.split(":");
  const socket = connect(Number(port), host);
  socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
  return new Promise((resolve, reject) => {
    let text = "";
    socket.on("data", (piece) => {
      text += piece;
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(text.slice(0, text.indexOf("\r\n"))));
  });
}

describe("files", () => {
  it("come with their type, and a policy that lets nothing in from elsewhere", async () => {
    const { status, headers, text } = await ask(await serveFiles(), "GET", "/site/");
    expect([status, text]).toEqual([200, "<!doctype html>"]);
    expect(headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("cache-control")).toBe("no-cache");
    const policy = headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
  });

  it("are kept for ever where their name is of their content, and asked for again otherwise", async () => {
    const address = await serveFiles();
    const hashed = await ask(address, "GET", "/site/assets/index-BxY_1234.js");
    expect(hashed.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    const page = await ask(address, "GET", "/site/index.html");
    const again = await ask(address, "GET", "/site/index.html", {
      headers: { "if-none-match": page.headers.get("etag") ?? "" },
    });
    expect([again.status, again.text]).toEqual([304, ""]);
  });

  it("are found by their names as paths write them, and their folder with a slash", async () => {
    const address = await serveFiles();
    expect((await ask(address, "GET", "/site/assets/with%20space.svg")).text).toBe("<svg/>");
    const moved = await ask(address, "GET", "/site");
    expect([moved.status, moved.headers.get("location")]).toEqual([308, "/site/"]);
    expect((await ask(address, "HEAD", "/site/")).text).toBe("");
    expect((await ask(address, "POST", "/site/", { body: {} })).status).toBe(405);
  });

  it.each([
    "/site/../secret.txt",
    "/site/%2e%2e/secret.txt",
    "/site/..%2fsecret.txt",
    "/site/..\\secret.txt",
    "/site//../secret.txt",
    "/site/assets/../../secret.txt",
    "/site/%00",
    "/site/assets",
    "/site/assets/",
    "/secret.txt",
  ])("are not left by %s", async (path) => {
    expect(await statusLineOf(await serveFiles(), path)).toMatch(/^HTTP\/1.1 40[04] /);
  });

  it("of the page of the API come from the server alone", async () => {
    const { httpAddress } = await startServer({}, { http: "127.0.0.1:0" });
    const page = await ask(httpAddress, "GET", "/api/");
    expect(page.status).toBe(200);
    const links = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link = ""]) => link);
    expect(links.length).toBeGreaterThan(2);
    for (const link of links) expect((await ask(httpAddress, "GET", link)).status, link).toBe(200);
    expect(page.text).not.toMatch(/<script>|<style|style=|onload=/);
    expect((await ask(httpAddress, "GET", "/openapi.json")).json.openapi).toBe("3.1.0");
  });
});
