import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { silentLog } from "../../lib/base/log.ts";
import { listenHttp } from "../../lib/http/http-listener.ts";
import { withPauses } from "../../lib/http/rest/stream-answer.ts";
import { push } from "../support/query.ts";
import { collect } from "../support/rpc.ts";
import { serverOfFile } from "../support/server.ts";
import { ask, eventsOf, linesOf, reasonOf } from "./support/http.ts";

const server = serverOfFile({}, { http: "127.0.0.1:0" });
const day = "from=2026-01-15T00:00:00Z&to=2026-01-16T00:00:00Z&tier=10s";
const get = (path: string, accept?: string) =>
  ask(server().httpAddress, "GET", path, accept === undefined ? {} : { headers: { accept } });

beforeAll(async () => {
  await push(server(), "press", 1, [1, 2, 3]);
  await push(server(), "lathe", 1, [5], { metrics: ['speed,"of" it'] });
});

describe("a stream over HTTP", () => {
  it("is lines of JSON unless another form is asked for", async () => {
    for (const accept of [undefined, "*/*", "application/x-ndjson", "text/html, */*;q=0.8"]) {
      const { status, text, headers } = await get(`/v1/aggregates?${day}&selector.deviceIds=press`, accept);
      expect(status).toBe(200);
      expect(headers.get("content-type")).toBe("application/x-ndjson");
      const messages = text
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line));
      expect(messages[0].info).toMatchObject({ tier: "10s" });
      expect(messages.flatMap(({ frame }) => frame?.counts ?? [])).toEqual([3]);
    }
  });

  it("is events, of which the last says that it is", async () => {
    const events = await collect(eventsOf(server().httpAddress, `/v1/aggregates?${day}&selector.deviceIds=press`));
    expect(events.at(-1)?.event).toBe("end");
    expect(events[0]).toMatchObject({ event: "message", data: { info: { tier: "10s" } } });
  });

  it("is CSV, as the command line writes it", async () => {
    const { text, headers } = await get(`/v1/aggregates?${day}&aggregates=AGGREGATE_MAX`, "text/csv");
    expect(headers.get("content-type")).toMatch(/^text\/csv/);
    const [heading, ...rows] = text.trimEnd().split("\r\n");
    expect(heading).toContain("device,metric,tier,windowStart");
    expect(heading).not.toContain("stddev");
    expect(rows).toHaveLength(2);
    expect(rows.join()).toContain('"speed,""of"" it"');
  });

  it("is refused in forms that it does not have", async () => {
    const events = await get("/v1/devices:watch", "text/csv");
    expect(events.status).toBe(406);
    expect(events.json.message).toContain("application/x-ndjson or text/event-stream");
    expect((await get(`/v1/aggregates?${day}`, "image/png")).status).toBe(406);
  });

  it("has an error's own status while nothing was sent", async () => {
    const reply = await get(`/v1/aggregates?${day}&selector.deviceIds=nobody`, "text/event-stream");
    expect(reply.status).toBe(404);
    expect(reasonOf(reply)).toBe("DEVICE_NOT_FOUND");
  });

  it("goes on after the last event that its client has seen", async () => {
    const path =
      "/v1/aggregates:subscribe?selector.deviceIds=resumed&intervalMin=0.1s&snapshotFrom=2026-01-15T00:00:00Z";
    await push(server(), "resumed", 1, [1]);
    let last: string | undefined;
    for await (const { id, data } of eventsOf(server().httpAddress, path)) {
      last = id;
      if (data.heartbeat !== undefined) break;
    }
    expect(last).toBeDefined();
    await push(server(), "resumed", 2, [2]);
    for await (const { data } of eventsOf(server().httpAddress, path, { "last-event-id": last ?? "" })) {
      expect(data.snapshot).toBeUndefined();
      if (data.changes === undefined) continue;
      expect(data.changes.counts).toEqual([2]);
      break;
    }
  });

  it("goes on as lines with the token of a message", async () => {
    const path = "/v1/aggregates:subscribe?selector.deviceIds=lined&intervalMin=0.1s";
    await push(server(), "lined", 1, [1]);
    let token = "";
    for await (const line of linesOf(server().httpAddress, path)) {
      token = JSON.parse(line).resumeToken;
      break;
    }
    await push(server(), "lined", 2, [2]);
    for await (const line of linesOf(server().httpAddress, `${path}&resumeToken=${encodeURIComponent(token)}`)) {
      const { changes } = JSON.parse(line);
      if (changes === undefined) continue;
      expect(changes.counts).toEqual([2]);
      break;
    }
  });

  it("refuses an id that is no token", async () => {
    const reply = await ask(server().httpAddress, "GET", "/v1/aggregates:subscribe", {
      headers: { accept: "text/event-stream", "last-event-id": "AAAA" },
    });
    expect(reply.status).toBe(400);
    expect(reply.json.message).toContain("resume_token");
  });
});

describe("a stream that pauses", () => {
  it("lets something be sent meanwhile, and loses no message", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    async function* messages() {
      yield 1;
      await promise;
      yield 2;
    }
    const seen: (number | undefined)[] = [];
    for await (const each of withPauses(messages(), 1)) {
      seen.push(each);
      if (each === undefined) resolve();
    }
    expect(seen.filter((each) => each !== undefined)).toEqual([1, 2]);
    expect(seen[1]).toBeUndefined();
  });

  it("ends its source when nobody reads on", async () => {
    let isEnded = false;
    async function* messages() {
      try {
        yield 1;
        yield 2;
      } finally {
        isEnded = true;
      }
    }
    for await (const _ of withPauses(messages(), 1_000)) break;
    expect(isEnded).toBe(true);
  });
});

it("a part that fails without a word of ours tells its client no more than that", async () => {
  const warnings: string[] = [];
  const log = { ...silentLog, warn: (message: string) => void warnings.push(message) };
  const answer = async () => {
    throw new Error("secret");
  };
  const listener = await listenHttp("127.0.0.1:0", [{ find: () => ({ allow: ["GET"], answer }) }], { log });
  onTestFinished(() => listener.close(0));
  const reply = await ask(listener.address, "GET", "/");
  expect(reply.status).toBe(500);
  expect(reply.text).not.toContain("secret");
  expect(warnings.join()).toContain("secret");
});
