import { once } from "node:events";
import { connect } from "node:http2";
import { createConnection } from "node:net";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { messageBytesMax } from "../../../lib/base/limits.ts";
import {
  type BenchClient,
  benchServerOfFile,
  bodyOf,
  complaintOf,
  plainBatch,
  typeOf,
} from "../../support/bench-server.ts";
import { besideOthers as beside } from "./support/bad-body.ts";

const running = benchServerOfFile();

function besideOthers(run: (client: BenchClient) => Promise<void>): Promise<void> {
  const { client } = running();
  return beside(client, () => run(client));
}

/** A gzip file may be several behind one another: so it takes no second to make. */
const [bombParts, bombPartBytes] = [16, 16 * 1024 * 1024];
const bombBytes = bombParts * bombPartBytes;
const bomb = Buffer.concat(Array<Buffer>(bombParts).fill(gzipSync(Buffer.alloc(bombPartBytes))));

describe.each(["http1", "http2"] as const)("by %s", (way) => {
  const headers = typeOf("json-rows");

  it("a body that is too large is refused with 413", async () => {
    await besideOthers(async (client) => {
      const reply = await client[way](Buffer.alloc(messageBytesMax + 1, " "), { headers });
      expect([reply.status, complaintOf(reply).reason]).toEqual([413, "BODY_TOO_LARGE"]);
      expect(complaintOf(reply).message).toBe("body has more than 4194304 bytes; send smaller batches");
    });
  });

  it("a body as large as is allowed is read", async () => {
    const batch = plainBatch();
    const body = Buffer.alloc(messageBytesMax, " ");
    body.set(bodyOf["json-rows"](batch));
    expect((await running().client[way](body, { headers })).status).toBe(200);
  });

  it("a gzip bomb is refused with 413, and not unpacked", async () => {
    await besideOthers(async (client) => {
      expect(bomb.length).toBeLessThan(messageBytesMax / 8);
      const { server } = running();
      server.resetPeak();
      const { rssBytes } = server.usage();
      const reply = await client[way](bomb, { headers: { ...headers, "content-encoding": "gzip" } });
      expect([reply.status, complaintOf(reply).reason]).toEqual([413, "BODY_TOO_LARGE"]);
      expect(server.usage().rssPeakBytes - rssBytes).toBeLessThan(bombBytes / 2);
    });
  });

  it.each([
    ["gzip that is none", { "content-encoding": "gzip" }, 400, "MALFORMED_BODY"],
    ["another encoding", { "content-encoding": "br" }, 415, "UNSUPPORTED_ENCODING"],
    ["another type", { "content-type": "application/json" }, 415, "UNSUPPORTED_TYPE"],
  ])("%s is refused", async (_, wrong, status, reason) => {
    await besideOthers(async (client) => {
      const reply = await client[way](bodyOf["json-rows"](plainBatch()), { headers: { ...headers, ...wrong } });
      expect([reply.status, complaintOf(reply).reason]).toEqual([status, reason]);
    });
  });

  it.each([
    ["GET", "/batches", 405, "METHOD_NOT_ALLOWED"],
    ["PUT", "/batches", 405, "METHOD_NOT_ALLOWED"],
    ["POST", "/", 404, "UNKNOWN_PATH"],
    ["POST", "/batches/1", 404, "UNKNOWN_PATH"],
  ])("%s %s is not there", async (method, path, status, reason) => {
    await besideOthers(async (client) => {
      const reply = await client[way](Buffer.alloc(0), { method, path, headers });
      expect([reply.status, complaintOf(reply).reason]).toEqual([status, reason]);
    });
  });
});

describe("a client that goes", () => {
  it("in the middle of an HTTP/1.1 body, takes nobody with it", async () => {
    await besideOthers(async () => {
      const [host, port] = running().server.ready.http1.split(":");
      const socket = createConnection(Number(port), host);
      const type = "application/vnd.tidemark.json-rows";
      socket.write(`POST /batches HTTP/1.1\r\nhost: x\r\ncontent-type: ${type}\r\ncontent-length: 100\r\n\r\n{"dev`);
      await once(socket, "connect");
      socket.destroy();
      await once(socket, "close");
    });
  });

  it("in the middle of an HTTP/2 body, or before its answer, takes nobody with it", async () => {
    await besideOthers(async () => {
      const session = connect(`http://${running().server.ready.http2}`);
      const open = () =>
        session.request({ ":method": "POST", ":path": "/batches", ...typeOf("json-rows") }, { endStream: false });
      const half = open();
      half.write('{"dev');
      const whole = open();
      whole.end(bodyOf["json-rows"](plainBatch()));
      await once(session, "connect");
      session.destroy();
      await once(session, "close");
    });
  });

  it("with bytes that are not HTTP, takes nobody with it", async () => {
    await besideOthers(async () => {
      for (const address of [running().server.ready.http1, running().server.ready.http2]) {
        const [host, port] = address.split(":");
        const socket = createConnection(Number(port), host);
        socket.on("error", () => {});
        socket.end("\u0000\u0001 hello\r\n\r\n");
        socket.resume();
        await once(socket, "close");
      }
    });
  });
});
