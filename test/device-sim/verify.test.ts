import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it, onTestFinished } from "vitest";
import { verdictLines } from "../../cli/commands/verify.ts";
import { DeliveryLog } from "../../device-sim/log/delivery-log.ts";
import { DeviceLog } from "../../device-sim/log/device-log.ts";
import { type Verdict, verify } from "../../device-sim/verify/verify.ts";
import { BatchSchema, GapReason, type Refusal, RefusalReason } from "../../proto/gen/telemetry/v1/batch_pb.js";
import { QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { batch, gap, registration, spool } from "../support/batches.ts";
import { serve } from "../support/rpc.ts";
import { serverOfFile, type TestServer } from "../support/server.ts";

const server = serverOfFile();

/** A log and a server that have seen the same, but for what a test does to one of them. */
class Run {
  readonly device: string;
  readonly file: string;
  readonly #log: DeliveryLog;

  constructor(device: string) {
    const directory = mkdtempSync(join(tmpdir(), "tidemark-verify-"));
    this.device = device;
    this.file = join(directory, "log");
    this.#log = new DeliveryLog(this.file);
    onTestFinished(() => {
      this.#log.close();
      rmSync(directory, { recursive: true, force: true });
    });
  }

  session(spoolNumber = 1): DeviceLog {
    return new DeviceLog(this.#log, this.device, spool(spoolNumber), ["temperature"]);
  }

  seal(log: DeviceLog, sequence: number, values: readonly number[]): void {
    const bytes = toBinary(BatchSchema, create(BatchSchema, batch(sequence, values)));
    log.sealed({ sequence, samples: values.length, bytes });
  }

  async push(sequence: number, values: readonly number[], spoolNumber = 1): Promise<readonly Refusal[]> {
    const { refusals } = await server().ingest.pushBatch({
      registration: registration(this.device, { spool: spoolNumber }),
      payload: { case: "batch", value: batch(sequence, values) },
    });
    return refusals;
  }

  async lose(first: number, last: number, samples: number): Promise<void> {
    const value = gap(first, last, samples);
    await server().ingest.pushBatch({ registration: registration(this.device), payload: { case: "gap", value } });
  }

  async verdict(query: TestServer["query"] = server().query): Promise<Verdict> {
    this.#log.commit();
    return await verify(this.file, query);
  }
}

const lossOf = (firstSequence: number, lastSequence: number, samples: number) => ({
  kind: "gap" as const,
  firstSequence,
  lastSequence,
  samples,
  reason: GapReason.SPOOL_FULL,
});

describe("verify finds nothing wrong", () => {
  it("when what was sent is acked and counted", async () => {
    const run = new Run("right");
    const log = run.session();
    for (let sequence = 1; sequence <= 3; sequence += 1) {
      run.seal(log, sequence, [sequence, sequence * 10, Number.NaN]);
      await run.push(sequence, [sequence, sequence * 10, Number.NaN]);
      log.acked(sequence);
    }
    const verdict = await run.verdict();
    expect(verdict).toMatchObject({ sent: 6, acked: 6, counted: 6, windows: 4, differences: [] });
    expect(verdictLines(verdict)[0]).toBe("sent = acked = counted, 0 lost, 0 counted twice");
  });

  it("when an ack was lost, and when a batch was never sent", async () => {
    const run = new Run("in between");
    const log = run.session();
    for (const sequence of [1, 2, 3]) run.seal(log, sequence, [sequence]);
    await run.push(1, [1]);
    await run.push(2, [2]);
    log.acked(1);
    const verdict = await run.verdict();
    expect(verdict).toMatchObject({ sent: 3, acked: 2, waiting: 1, counted: 2, differences: [] });
    expect(verdictLines(verdict)[0]).toBe("sent 3 = acked 2 + not acked yet 1, counted 2, 0 lost, 0 counted twice");
  });

  it("when a batch was logged twice by a run that went on", async () => {
    const run = new Run("again");
    run.seal(run.session(), 1, [7]);
    run.seal(run.session(), 1, [7]);
    await run.push(1, [7]);
    expect(await run.verdict()).toMatchObject({ sent: 1, acked: 1, differences: [] });
  });

  it("when infinite values and a whole batch were refused", async () => {
    const run = new Run("refused");
    const log = run.session();
    run.seal(log, 1, [1, Number.POSITIVE_INFINITY, 3]);
    for (const refusal of await run.push(1, [1, Number.POSITIVE_INFINITY, 3])) log.refused(refusal, 1, false);
    run.seal(log, 2, [4, 5]);
    const unknown = batch(2, [4, 5], { metric: 9 });
    const pushed = server().ingest.pushBatch({
      registration: registration("refused"),
      payload: { case: "batch", value: unknown },
    });
    await expect(pushed).rejects.toMatchObject({ reason: "BATCH_REFUSED" });
    log.refused({ sequence: 2n, reason: RefusalReason.UNKNOWN_METRIC } as Refusal, 2, true);
    expect(await run.verdict()).toMatchObject({ sent: 5, acked: 2, refused: 3, counted: 2, differences: [] });
  });

  it("when a gap was recorded, also one that was shortened", async () => {
    const run = new Run("gaps");
    const log = run.session();
    for (let sequence = 1; sequence <= 5; sequence += 1) run.seal(log, sequence, [sequence]);
    await run.push(1, [1]);
    await run.push(2, [2]);
    log.gap(lossOf(1, 4, 4));
    log.gap(lossOf(3, 3, 1));
    log.gap(lossOf(3, 4, 2));
    await run.lose(3, 4, 2);
    await run.push(5, [5]);
    log.acked(5);
    const verdict = await run.verdict();
    expect(verdict).toMatchObject({ sent: 5, acked: 3, gaps: 2, counted: 3, differences: [] });
    expect(verdictLines(verdict)[0]).toMatch(/^sent 5 = acked 3 \+ lost in gaps 2, counted 3, 0 lost/);
  });

  it("when a session was taken over with batches under way, whichever of them came through", async () => {
    for (const arrived of [0, 1, 2]) {
      const run = new Run(`taken over ${arrived}`);
      const first = run.session(1);
      for (const sequence of [1, 2, 3]) run.seal(first, sequence, [sequence]);
      for (let sequence = 1; sequence <= 1 + arrived; sequence += 1) await run.push(sequence, [sequence]);
      first.acked(1);
      const second = run.session(2);
      run.seal(second, 1, [50]);
      await run.push(1, [50], 2);
      second.acked(1);
      const expected = { sent: 4, acked: 2 + arrived, waiting: 2 - arrived, counted: 2 + arrived, differences: [] };
      expect(await run.verdict()).toMatchObject(expected);
    }
  });

  it("when sums of fractions are rounded in another order", async () => {
    const run = new Run("fractions");
    const values = Array.from({ length: 100 }, (_, i) => 0.1 * (i + 1));
    run.seal(run.session(), 1, values);
    await run.push(1, values);
    expect(await run.verdict()).toMatchObject({ differences: [] });
  });
});

/** The server, with its answers about windows changed on the way. */
async function tampered(change: { counts?: number; sums?: number; tierMs?: number; drop?: boolean }) {
  const { query } = server();
  return await serve(QueryService, "messages", {
    listDevices: (request) => query.listDevices(request),
    async *queryRange(request) {
      for await (const { frame } of query.queryRange(request)) {
        if (frame === undefined) continue;
        const applies = change.tierMs === undefined || durationMs(request.tier ?? durationFromMs(0)) === change.tierMs;
        if (applies && change.drop) {
          yield { frame: { ...frame, seriesHandles: [] } };
          continue;
        }
        const add = (values: number[], more = 0) => (applies ? values.map((value) => value + more) : values);
        yield { frame: { ...frame, counts: add(frame.counts, change.counts), sums: add(frame.sums, change.sums) } };
      }
    },
  });
}

describe("verify tells what is wrong", () => {
  async function counted(device: string): Promise<Run> {
    const run = new Run(device);
    const log = run.session();
    run.seal(log, 1, [1, 2]);
    await run.push(1, [1, 2]);
    log.acked(1);
    return run;
  }

  it("a sample that is counted twice", async () => {
    const run = await counted("twice");
    const { client } = await tampered({ counts: 1 });
    const verdict = await run.verdict(client);
    expect(verdict).toMatchObject({ lost: 0, countedTwice: 1 });
    expect(verdictLines(verdict)[0]).toBe("sent 2 = acked 2, counted 3, 0 lost, 1 counted twice");
    expect(verdictLines(verdict)[2]).toBe("twice temperature 10s 2026-01-15T00:00:00Z: count expected 2, found 3");
  });

  it("windows that are missing", async () => {
    const run = await counted("missing");
    const { client } = await tampered({ drop: true });
    expect(await run.verdict(client)).toMatchObject({ lost: 2, countedTwice: 0, counted: 0 });
  });

  it("a tier that differs from the others", async () => {
    const run = await counted("tier");
    const { client } = await tampered({ counts: -1, tierMs: 3_600_000 });
    const verdict = await run.verdict(client);
    expect(verdict).toMatchObject({ lost: 1, counted: 2 });
    expect(verdict.differences).toMatchObject([{ device: "tier", tierMs: 3_600_000, field: "count", found: 1 }]);
  });

  it("a sample that took the place of another", async () => {
    const run = await counted("swapped");
    const { client } = await tampered({ sums: 1 });
    const verdict = await run.verdict(client);
    expect(verdict).toMatchObject({ lost: 0, countedTwice: 0 });
    expect(verdict.differences).toHaveLength(4);
    expect(verdict.differences[0]).toMatchObject({ field: "sum", expected: 3, found: 4 });
  });

  it("an ack that the server does not stand by", async () => {
    const run = await counted("forgotten");
    const log = run.session();
    run.seal(log, 2, [5]);
    log.acked(2);
    const verdict = await run.verdict();
    expect(verdict).toMatchObject({ lost: 1 });
    const fields = verdict.differences.filter(({ metric }) => metric === undefined);
    expect(fields.map(({ field, expected, found }) => [field, expected, found])).toEqual([
      ["samples counted", 3, 2],
      ["acked sequence", 2, 1],
    ]);
  });

  it("samples that the log does not tell of", async () => {
    const run = await counted("foreign");
    await run.push(2, [100]);
    expect(await run.verdict()).toMatchObject({ countedTwice: 1 });
  });

  it("a device that the server does not know, or has from another spool", async () => {
    const run = new Run("unknown");
    const log = run.session();
    run.seal(log, 1, [1]);
    log.acked(1);
    const [difference] = (await run.verdict()).differences.filter(({ field }) => field === "device");
    expect(difference).toMatchObject({ device: "unknown", found: "not known" });
    await run.push(1, [1], 9);
    expect((await run.verdict()).differences).toMatchObject([{ field: "spool", found: "09".repeat(16) }]);
  });

  it("a log that does not begin with its session", async () => {
    const run = new Run("late log");
    run.seal(run.session(), 4, [1]);
    await expect(run.verdict()).rejects.toMatchObject({ reason: "LOG_INCOMPLETE" });
  });

  it("refusals that the log cannot attribute", async () => {
    const run = await counted("old");
    const reason = RefusalReason.TIME_IN_FUTURE;
    run.session().refused({ sequence: 1n, reason } as Refusal, 1, false);
    const lines = verdictLines(await run.verdict());
    expect(lines.at(-1)).toMatch(/^the log has 1 refused samples that it cannot attribute/);
  });
});
