import { connect } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { TelemetryError } from "../../lib/base/errors.ts";
import { messageBytesMax } from "../../lib/base/limits.ts";
import { silentLog } from "../../lib/base/log.ts";
import { Bodies } from "../../lib/http/bodies.ts";
import { listenHttp } from "../../lib/http/http-listener.ts";
import type { HttpPart } from "../../lib/http/router.ts";
import { serverOfFile } from "../support/server.ts";
import { ask, reasonOf } from "./support/http.ts";

const server = serverOfFile({}, { http: "127.0.0.1:0" });

/** What a server answers to bytes; it ends when the connection does. */
function answerTo(address: string, ...pieces: readonly string[]): Promise<string> {
  const [host = "", port = ""] = address.split(":");
  const socket = connect(Number(port), host);
  onTestFinished(() => void socket.destroy());
  for (const piece of pieces) socket.write(piece);
  return new Promise((resolve) => {
    let text = "";
    socket.on("data", (piece) => {
      text += piece.toString("latin1");
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(text));
  });
}

/** A port whose only path reads its body, and tells how long it is. */
async function portWith(bodies: Bodies, requestMsMax = 5_000): Promise<string> {
  const part: HttpPart = {
    find: () => ({
      allow: ["POST"],
      async answer(exchange) {
        bodies.admit(exchange);
        const { length } = await bodies.read(exchange);
        exchange.send({ status: 200, contentType: "text/plain", body: String(length) });
      },
    }),
  };
  const listener = await listenHttp("127.0.0.1:0", [part], { log: silentLog, requestMsMax });
  onTestFinished(() => listener.close(0));
  return listener.address;
}

describe("the HTTP port", () => {
  it("refuses a body that is larger than any may be, told or not", async () => {
    const address = await portWith(new Bodies());
    const told = await ask(address, "POST", "/", { body: "x".repeat(messageBytesMax + 1) });
    expect(told.status).toBe(413);
    expect(reasonOf(told)).toBe("BODY_TOO_LARGE");
    const piece = `${(2 ** 20).toString(16)}\r\n${"x".repeat(2 ** 20)}\r\n`;
    const head = "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    expect(await answerTo(address, head, ...Array(5).fill(piece), "0\r\n\r\n")).toMatch(/^HTTP\/1.1 413 /);
    expect((await ask(address, "POST", "/", { body: "x".repeat(messageBytesMax) })).text).toBe(String(messageBytesMax));
  });

  it("lets bodies come in again when others have come", async () => {
    const bodies = new Bodies(1_000);
    const address = await portWith(bodies);
    const refused = await ask(address, "POST", "/", { body: "x".repeat(1_001) });
    expect(refused.status).toBe(429);
    expect(reasonOf(refused)).toBe("HTTP_BODIES");
    expect(refused.headers.get("retry-after")).toBe("1");
    for (let i = 0; i < 5; i += 1)
      expect((await ask(address, "POST", "/", { body: "x".repeat(900) })).status).toBe(200);
  });

  it("gives up a body that does not come, and frees its room", async () => {
    const bodies = new Bodies(1_000);
    const address = await portWith(bodies, 100);
    const head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 900\r\n\r\n";
    expect(await answerTo(address, head, "x")).toMatch(/^(HTTP\/1.1 408 |$)/);
    expect((await ask(address, "POST", "/", { body: "x".repeat(900) })).status).toBe(200);
  });

  it("refuses headers that are too large", async () => {
    expect((await ask(server().httpAddress, "GET", `/v1/devices?pageToken=${"x".repeat(20_000)}`)).status).toBe(431);
  });

  it("answers HEAD as GET, without the body, where nothing streams", async () => {
    const whole = await ask(server().httpAddress, "GET", "/v1/metrics");
    const head = await ask(server().httpAddress, "HEAD", "/v1/metrics");
    expect(head).toMatchObject({ status: 200, text: "" });
    expect(head.headers.get("content-length")).toBe(whole.headers.get("content-length"));
    expect((await ask(server().httpAddress, "HEAD", "/v1/devices:watch")).status).toBe(405);
  });

  it.each([
    ["/v1/devices", "GET, HEAD, POST, OPTIONS"],
    ["/v1/devices/press", "GET, HEAD, PATCH, DELETE, OPTIONS"],
    ["/livez", "GET, HEAD, OPTIONS"],
    ["/telemetry.v1.QueryService/ListDevices", "POST, GET, OPTIONS"],
    ["/telemetry.v1.DeviceService/CreateDevice", "POST, OPTIONS"],
  ])("tells by OPTIONS what %s takes, and nothing to other origins", async (path, allow) => {
    const headers = { origin: "https://elsewhere.example", "access-control-request-method": "POST" };
    const reply = await ask(server().httpAddress, "OPTIONS", path, { headers });
    expect(reply.status).toBe(204);
    expect(new Set(reply.headers.get("allow")?.split(", "))).toEqual(new Set(allow.split(", ")));
    expect([...reply.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
  });

  it.each([
    "/v1",
    "/v1/",
    "/v1/devices/",
    "/v2/devices",
    "/v1/devices//",
    "/telemetry.v1.QueryService",
    "//v1/devices",
  ])("has nothing at %s", async (path) => {
    const reply = await ask(server().httpAddress, "GET", path);
    expect([400, 404]).toContain(reply.status);
  });

  it("refuses methods that a path does not have", async () => {
    const reply = await ask(server().httpAddress, "PUT", "/v1/devices", { body: {} });
    expect(reply.status).toBe(405);
    expect(reply.headers.get("allow")).toContain("POST");
  });

  it("takes no path that is an address", async () => {
    const answer = await answerTo(
      server().httpAddress,
      "GET http://elsewhere.example/livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    );
    expect(answer).toMatch(/^HTTP\/1.1 404 /);
  });
});

it("an error of a body names the limit", () => {
  const exchange = { request: { headers: { "content-length": "1e9" }, once: () => {} }, response: { once: () => {} } };
  expect(() => new Bodies().admit(exchange as never)).toThrow(TelemetryError);
});
