import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { messageBytesMax } from "../../lib/base/limits.ts";
import { silentLog } from "../../lib/base/log.ts";
import { Bodies } from "../../lib/http/bodies.ts";
import { listenHttp } from "../../lib/http/http-listener.ts";
import type { HttpPart } from "../../lib/http/router.ts";
import { push } from "../support/query.ts";
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

  it("takes a path with its own address before it, as a proxy sends it", async () => {
    const answer = await answerTo(
      server().httpAddress,
      "GET http://127.0.0.1/livez HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n",
    );
    expect(answer).toMatch(/^HTTP\/1.1 200 /);
  });

  it.each(["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "a b[", "[::1].x"])(
    "does not answer who asks for %j: a name may be led here by the page that asks",
    async (host) => {
      const answer = await answerTo(
        server().httpAddress,
        `GET /v1/devices HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`,
      );
      expect(answer).toMatch(/^HTTP\/1.1 421 /);
      expect(answer).toContain("HOST_UNKNOWN");
    },
  );

  it.each([
    "127.0.0.1",
    "127.0.0.1:8080",
    "localhost:8080",
    "LOCALHOST",
    "tidemark.localhost",
    "[::1]:8080",
    "10.0.0.7",
  ])("answers who asks for %j", async (host) => {
    const answer = await answerTo(
      server().httpAddress,
      `GET /v1/devices HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1.1 200 /);
  });

  it("leaves nothing behind of streams that nobody reads, one behind the other on a connection", async () => {
    const { httpAddress } = server();
    // More than fits into what is buffered of an answer: who writes it waits.
    const startMs = Date.parse("2026-01-15T00:00:00Z");
    await push(server(), "many windows", 1, new Array(5_000).fill(1), { timeMs: startMs, stepMs: 10_000 });
    const body = JSON.stringify({ snapshotFrom: "2026-01-15T00:00:00Z" });
    const message = Buffer.concat([Buffer.from([0, 0, 0, 0, body.length]), Buffer.from(body)]);
    const head = `POST /telemetry.v1.QueryService/Subscribe HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/connect+json\r\ncontent-length: ${message.length}\r\n\r\n`;
    const subscribers = async () => {
      const { text } = await ask(httpAddress, "GET", "/metrics");
      return Number(/^tidemark_subscribers (\d+)/m.exec(text)?.[1]);
    };
    const [host = "", port = ""] = httpAddress.split(":");
    const socket = connect(Number(port), host);
    socket.on("error", () => {});
    for (let i = 0; i < 4; i += 1) socket.write(Buffer.concat([Buffer.from(head), message]));
    // The first answer fills what the connection holds, the others what may wait behind it.
    await once(socket, "readable");
    for (let looks = 0; looks < 20 || (await subscribers()) < 4; looks += 1) await subscribers();
    socket.resetAndDestroy();
    while ((await subscribers()) > 0);
  });

  it("does not decode what is large only by the number of its parts", async () => {
    const { httpAddress } = server();
    const empties = Buffer.alloc(1_000_000).fill(Buffer.from([0x12, 0]));
    const batch = Buffer.concat([Buffer.from([0x12, ...varint(empties.length)]), empties]);
    const asked: [string, string | Buffer, string][] = [
      ["/telemetry.v1.IngestService/PushBatch", batch, "application/proto"],
      ["/v1/batches", `{"batch":{"tables":[${"{},".repeat(300_000)}{}]}}`, "application/json"],
      [
        "/telemetry.v1.IngestService/PushBatch",
        `{"batch":{"tables":[${"{},".repeat(300_000)}{}]}}`,
        "application/json",
      ],
      [
        "/v1/devices",
        `{"labels":{${Array.from({ length: 60_000 }, (_, i) => `"${i}":""`).join()}}}`,
        "application/json",
      ],
    ];
    for (const [path, body, type] of asked) {
      const reply = await fetch(`http://${httpAddress}${path}`, {
        method: "POST",
        body,
        headers: { "content-type": type },
      });
      expect([path, reply.status, await reply.text()]).toEqual([path, 400, expect.stringContaining("50,000")]);
    }
  });

  it("takes next to nothing of who needs no credentials", async () => {
    const path = "/grpc.health.v1.Health/Check";
    const reply = await ask(server().httpAddress, "POST", path, { body: { service: "x".repeat(5_000) } });
    expect(reply.status).toBe(413);
    expect(reply.json.message).toContain("4KiB");
  });
});

/** Of protobuf. */
function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)];
}
