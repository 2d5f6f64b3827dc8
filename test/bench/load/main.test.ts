import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import type { GeneratorMessage, GeneratorPlan } from "../../../bench/load/messages.ts";
import { startServer } from "../../support/server.ts";
import { planOf } from "./support/plan.ts";

const mainFile = fileURLToPath(new URL("../../../bench/load/main.ts", import.meta.url));

/** A generator's process, and what it says. */
class Generator {
  readonly messages: GeneratorMessage[] = [];
  readonly child: ChildProcess;
  /** The code with which it has ended. */
  readonly ended: Promise<number | null>;

  constructor(plan: GeneratorPlan) {
    this.child = fork(mainFile, [JSON.stringify(plan)], { execArgv: [] });
    this.child.on("message", (message) => this.messages.push(message as GeneratorMessage));
    this.ended = once(this.child, "exit").then(([code]) => code as number | null);
    onTestFinished(async () => {
      this.child.kill("SIGKILL");
      await this.ended;
    });
  }
}

describe("the generator's process", () => {
  it("measures, reports, and ends", async () => {
    const server = await startServer({ samplesPerSecondMax: Number.POSITIVE_INFINITY });
    const { messages, ended } = new Generator(planOf({ grpc: server.address }));
    expect(await ended).toBe(0);
    const kinds = messages.map(({ kind }) => kind).filter((kind) => kind !== "progress");
    expect(kinds).toEqual(["measuring", "measured", "done"]);
    expect(messages.at(-1)).toMatchObject({ report: { lost: 0, duplicated: 0, seriesWrong: 0 } });
  });

  it("says why it has failed when the server refuses", async () => {
    const server = await startServer({ seriesPerDeviceMax: 5 });
    const { messages, ended } = new Generator(planOf({ grpc: server.address }));
    expect(await ended).toBe(1);
    expect(messages.filter(({ kind }) => kind !== "progress")).toEqual([
      { kind: "failed", error: expect.stringMatching(/^SERIES_LIMIT: .*5/) },
    ]);
  });

  it("ends when whoever has started it is gone", async () => {
    const server = await startServer({ samplesPerSecondMax: Number.POSITIVE_INFINITY });
    const generator = new Generator(planOf({ grpc: server.address }, {}, { measureMs: 600_000 }));
    await expect.poll(() => generator.messages.length, { timeout: 20_000 }).toBeGreaterThan(2);
    generator.child.disconnect();
    expect(await generator.ended).toBe(1);
  });
});
