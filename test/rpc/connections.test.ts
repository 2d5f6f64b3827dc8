import { once } from "node:events";
import { type ClientHttp2Session, connect, createServer, type ServerHttp2Stream } from "node:http2";
import { expect, it, onTestFinished } from "vitest";
import { connectionDrainMsMax } from "../../lib/base/limits.ts";
import { Prng } from "../../lib/base/prng.ts";
import { Connections } from "../../lib/rpc/connections.ts";

const minuteMs = 60_000;

/** An HTTP/2 server whose streams stay open, its connections, and a clock that is turned by hand. */
async function watched(times: { ageMsMax?: number; idleMsMax?: number }) {
  let nowMs = 0;
  const http2 = createServer();
  const clock = { nowMs: () => nowMs, elapsedMs: () => nowMs };
  const connections = new Connections(times, clock, new Prng(7));
  connections.watch(http2);
  const streams: ServerHttp2Stream[] = [];
  http2.on("stream", (stream) => {
    stream.on("error", () => {});
    streams.push(stream);
    stream.respond({ ":status": 200 });
  });
  await new Promise<void>((resolve) => http2.listen(0, "127.0.0.1", resolve));
  const { port } = http2.address() as { port: number };
  onTestFinished(async () => {
    connections.close();
    await new Promise((resolve) => http2.close(resolve));
  });
  return {
    connections,
    streams,
    /** Lets time pass, and has the connections looked at. */
    pass(ms: number) {
      nowMs += ms;
      connections.check();
    },
    async connect(): Promise<ClientHttp2Session> {
      const session = connect(`http://127.0.0.1:${port}`);
      session.on("error", () => {});
      onTestFinished(() => session.destroy());
      await once(session, "remoteSettings");
      return session;
    },
  };
}

/** A call that the server has answered the headers of. */
async function call(session: ClientHttp2Session) {
  const stream = session.request({ ":path": "/", ":method": "POST" }, { endStream: false });
  stream.on("error", () => {});
  stream.resume();
  await once(stream, "response");
  return stream;
}

const peerOf = (session: ClientHttp2Session) => `127.0.0.1:${session.socket.localPort}`;

it("closes a connection without calls when it was idle for too long, and no other", async () => {
  const { connections, pass, connect } = await watched({ idleMsMax: 10 * minuteMs });
  const idle = await connect();
  const busy = await connect();
  await call(busy);
  const closed = once(idle, "close");
  pass(9 * minuteMs);
  pass(2 * minuteMs);
  await closed;
  expect(busy.closed).toBe(false);
  expect(connections.draining(peerOf(busy)).aborted).toBe(false);
});

it("counts the idle time from the end of the last call", async () => {
  const { pass, connect, streams } = await watched({ idleMsMax: 10 * minuteMs });
  const session = await connect();
  const stream = await call(session);
  pass(60 * minuteMs);
  const ended = once(streams[0], "close");
  stream.close();
  await ended;
  pass(9 * minuteMs);
  expect(session.closed).toBe(false);
  const closed = once(session, "close");
  pass(2 * minuteMs);
  await closed;
});

it("asks the calls of a connection that is too old to end, takes no more of it, and waits for them", async () => {
  const { connections, pass, connect } = await watched({ ageMsMax: 60 * minuteMs });
  const session = await connect();
  const stream = await call(session);
  const draining = connections.draining(peerOf(session));
  pass(53 * minuteMs);
  expect(draining.aborted).toBe(false);
  const told = once(session, "goaway");
  pass(14 * minuteMs);
  expect(draining.aborted).toBe(true);
  await told;
  expect(stream.closed).toBe(false);
  const closed = once(session, "close");
  stream.close();
  await closed;
});

it("cuts a connection whose calls do not end", async () => {
  const { pass, connect } = await watched({ ageMsMax: 60 * minuteMs });
  const session = await connect();
  const stream = await call(session);
  pass(67 * minuteMs);
  pass(connectionDrainMsMax - minuteMs);
  expect(stream.closed).toBe(false);
  const closed = once(session, "close");
  pass(2 * minuteMs);
  await closed;
});

it("lets connections that have begun together end one after another", async () => {
  const { connections, pass, connect } = await watched({ ageMsMax: 60 * minuteMs });
  const sessions = await Promise.all(Array.from({ length: 20 }, connect));
  await Promise.all(sessions.map(call));
  const signals = sessions.map((session) => connections.draining(peerOf(session)));
  pass(60 * minuteMs);
  const drained = signals.filter(({ aborted }) => aborted).length;
  expect(drained).toBeGreaterThan(2);
  expect(drained).toBeLessThan(18);
});
