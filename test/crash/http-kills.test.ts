import { describe, expect, it } from "vitest";
import { ask, type HttpReply, pushBody } from "../http/support/http.ts";
import { dayMs } from "../support/batches.ts";
import { serve, temporaryDirectory, until } from "../system/support/cli.ts";

const devices = ["press-1", "press-2", "press-3", "press-4"];
const batchSamples = 5;

/** Sends batch after batch as JSON, each again and again until it is acked. */
class JsonDevice {
  readonly id: string;
  acked = 0;
  /** Batches that got an answer only when they were sent again. */
  repeated = 0;
  readonly #address: string;
  #isLeaving = false;
  readonly over: Promise<void>;

  constructor(address: string, id: string) {
    this.#address = address;
    this.id = id;
    this.over = this.#send();
  }

  /** No batch after the one that is under way. */
  leave(): void {
    this.#isLeaving = true;
  }

  async #send(): Promise<void> {
    while (!this.#isLeaving) {
      const sequence = this.acked + 1;
      const body = pushBody(this.id, sequence, valuesOf(sequence), { timeMs: dayMs + sequence * 100 });
      let attempts = 0;
      await until(async () => {
        attempts += 1;
        const reply = await this.#ask(body);
        // Draining servers say 503; anything else would be an answer for good.
        if (reply !== undefined && reply.status !== 503) expect(reply).toMatchObject({ status: 200 });
        return reply?.status === 200;
      });
      if (attempts > 1) this.repeated += 1;
      this.acked = sequence;
    }
  }

  async #ask(body: unknown): Promise<HttpReply | undefined> {
    try {
      return await ask(this.#address, "POST", "/v1/batches", { body });
    } catch {
      // Nobody is there, or was killed before the answer.
      return undefined;
    }
  }
}

/** Each acked batch is there once: by its device's session, and in every tier. */
async function expectCounted(address: string, { id, acked }: JsonDevice): Promise<void> {
  const { json } = await ask(address, "GET", `/v1/devices/${id}`);
  const count = acked * batchSamples;
  expect(json.device).toMatchObject({ ackedSequence: String(acked), samplesCounted: String(count) });
  for (const tier of ["10s", "60s", "86400s"]) {
    const range = `from=2026-01-15T00:00:00Z&to=2026-01-16T00:00:00Z&tier=${tier}&selector.deviceIds=${id}`;
    const { text } = await ask(address, "GET", `/v1/aggregates?${range}`, { headers: { accept: "text/csv" } });
    expect({ tier, count: totalOf(text, "count"), sum: totalOf(text, "sum") }).toEqual({
      tier,
      count,
      sum: sumOf(acked),
    });
  }
}

/** Of a column of CSV. */
function totalOf(csv: string, column: string): number {
  const [head = [], ...rows] = csv
    .split("\r\n")
    .filter((line) => line !== "")
    .map((line) => line.split(","));
  expect(head).toContain(column);
  return rows.reduce((total, row) => total + Number(row[head.indexOf(column)]), 0);
}

const valuesOf = (sequence: number) => Array.from({ length: batchSamples }, (_, i) => sequence + i);

function sumOf(batches: number): number {
  let sum = 0;
  for (let sequence = 1; sequence <= batches; sequence += 1) for (const value of valuesOf(sequence)) sum += value;
  return sum;
}

/** More batches of each device are acked. */
async function untilAcked(pushers: readonly JsonDevice[], more: number): Promise<void> {
  const wanted = pushers.map(({ acked }) => acked + more);
  await until(() => pushers.every(({ acked }, i) => acked >= wanted[i]));
}

/** They end, have sent some batch again, and each is counted. */
async function expectSettled(address: string, pushers: readonly JsonDevice[]): Promise<void> {
  for (const pusher of pushers) pusher.leave();
  await Promise.all(pushers.map(({ over }) => over));
  expect(pushers.reduce((sum, { repeated }) => sum + repeated, 0)).toBeGreaterThan(0);
  for (const pusher of pushers) await expectCounted(address, pusher);
}

describe("a server that is killed while devices push by JSON", () => {
  it("has every acked batch once, after kills at any moment", async () => {
    const data = ["--data", await temporaryDirectory()];
    let { server, ready } = await serve([...data, "--http", "127.0.0.1:0"]);
    const { http } = ready as { http: string };
    const pushers = devices.map((id) => new JsonDevice(http, id));
    for (let kill = 0; kill < 5; kill += 1) {
      await untilAcked(pushers, 10);
      await server.kill();
      ({ server } = await serve([...data, "--http", http]));
    }
    await expectSettled(http, pushers);
  });

  it.each([
    ["before a batch is in the journal", "before-append:40"],
    ["when a batch is in the journal, before its ack", "after-append:40"],
  ])("has every acked batch once, when it is killed %s", async (_, fault) => {
    const data = ["--data", await temporaryDirectory()];
    const { server, ready } = await serve([...data, "--http", "127.0.0.1:0", "--fault", fault]);
    const { http } = ready as { http: string };
    const pushers = devices.map((id) => new JsonDevice(http, id));
    // It ends itself when it gets there.
    expect((await server.ended).code).toBeNull();
    await serve([...data, "--http", http]);
    await untilAcked(pushers, 2);
    await expectSettled(http, pushers);
  });
});
