import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, it, onTestFinished } from "vitest";
import { ask, forkServer, mainFile, optionsOf } from "../../support/bench-process.ts";
import {
  ackedBy,
  BenchClient,
  benchServerOfTest,
  bodyOf,
  expectedOf,
  plainBatch,
  typeOf,
} from "../../support/bench-server.ts";

const headers = typeOf("json-rows");

describe("the process of a benchmark server", () => {
  it.each([
    ["in the clear", { tls: false, isNull: false }],
    ["over TLS", { tls: true, isNull: false }],
    ["as null server", { tls: false, isNull: true }],
  ])("says where it is, counts, and ends when told to, %s", async (_, chosen) => {
    const { child, exited, ready, client } = await forkServer(await optionsOf(chosen));
    expect(ready.kind).toBe("ready");
    for (const address of [ready.grpc, ready.http1, ready.http2]) expect(address).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(ready.ca === undefined).toBe(!chosen.tls);
    const body = bodyOf["json-rows"](plainBatch());
    expect((await client.http1(body, { headers })).status).toBe(200);
    expect((await client.http2(body, { headers })).status).toBe(200);
    await ask(child, "resetPeak");
    const { usage } = await ask(child, "usage");
    expect(usage?.bytesReceived).toBeGreaterThan(2 * body.length);
    expect(usage?.cpuSeconds).toBeGreaterThan(0);
    expect(usage?.bytesInFlight).toBe(0);
    expect(await ask(child, "stop")).toMatchObject({ kind: "reply" });
    expect(await exited).toEqual([0, null]);
  });

  it("settles and answers what is under way when it is told to stop", async () => {
    // Each commit takes long enough to be in the middle of one.
    const options = await optionsOf({ fault: "slow-append:150" });
    const { child, exited, ready, client } = await forkServer(options);
    const batches = Array.from({ length: 12 }, () => plainBatch());
    const send = async (batch: (typeof batches)[number], i: number) => {
      const reply = await client[i % 2 === 0 ? "http1" : "http2"](bodyOf["json-rows"](batch), { headers });
      return reply.status === 200 ? ackedBy(reply) : reply.status;
    };
    const first = plainBatch();
    expect(await send(first, 0)).toBe(1);
    const underWay = batches.map(send);
    const inFlight = async (): Promise<void> => {
      const { usage } = await ask(child, "usage");
      if (usage?.bytesInFlight === 0) await inFlight();
    };
    await inFlight();
    await ask(child, "stop");
    const answers = await Promise.all(underWay);
    expect(answers.every((answer) => answer === 1 || answer === 503)).toBe(true);
    expect(answers).toContain(1);
    expect(await exited).toEqual([0, null]);
    await expect(new BenchClient(ready).http1(Buffer.alloc(0))).rejects.toThrow("ECONNREFUSED");

    const again = await benchServerOfTest({ ...options, fault: undefined });
    for (const [i, batch] of [first, ...batches].entries()) {
      if (i > 0 && answers[i - 1] !== 1) continue;
      expect(await again.client.aggregates(batch.device)).toEqual(expectedOf(batch));
    }
  });

  it("ends when its parent has gone", async () => {
    const options = await optionsOf();
    // A parent that hands on what it hears, and is then killed.
    const script = `
      const { fork } = require("node:child_process");
      const child = fork(process.argv[1], [process.argv[2]]);
      child.on("message", () => console.log(child.pid));
    `;
    const parent = spawn(process.execPath, ["-e", script, mainFile, JSON.stringify(options)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = (await once(parent.stdout, "data")) as [Buffer];
    const pid = Number(String(line));
    onTestFinished(() => {
      if (isAlive(pid)) process.kill(pid, "SIGKILL");
    });
    expect(isAlive(pid)).toBe(true);
    // The pipe ends when the last process that writes to it has: the server has it from its parent.
    const ended = once(parent.stdout, "end");
    parent.kill("SIGKILL");
    parent.stdout.resume();
    await ended;
    // It left its data in good order: another one can have them.
    await benchServerOfTest(options);
  });

  it("says why it cannot start, and ends with an error", async () => {
    const options = await optionsOf({ dataDir: "/dev/null/nowhere" });
    const child = fork(mainFile, [JSON.stringify(options)], { stdio: ["ignore", "ignore", "pipe", "ipc"] });
    let text = "";
    child.stderr?.on("data", (chunk) => {
      text += chunk;
    });
    const [code] = await once(child, "exit");
    expect(code).toBe(1);
    expect(text).toMatch(/cannot open|ENOTDIR/);
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
