import { expect, it } from "vitest";
import { Channel } from "../../lib/rpc/client.ts";
import { IngestService } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { batch, registration } from "../support/batches.ts";
import { Cli, jsonLines, serve, temporaryDirectory, until } from "./support/cli.ts";

interface Row {
  readonly windowStart: string;
  readonly count: number;
  readonly last: number;
}

const push = async (address: string, sequence: number, value: number, timeMs: number) => {
  const channel = new Channel(address);
  await channel.client(IngestService, "messages").pushBatch({
    registration: registration("pump"),
    payload: { case: "batch", value: batch(sequence, [value], { timeMs }) },
  });
  channel.close();
};

it("a watch survives a server that is killed and one that is stopped, says so, and misses nothing", async () => {
  const data = await temporaryDirectory();
  // One window for all, which stays open.
  const timeMs = Date.now() + 60_000;
  let { server, address } = await serve(["--data", data]);
  const watch = new Cli(["watch", "--address", address, "--json"]);
  await push(address, 1, 1, timeMs);
  await watch.line(/"last":1[,}]/);
  const restarts: readonly NodeJS.Signals[] = ["SIGKILL", "SIGTERM"];
  for (const [i, signal] of restarts.entries()) {
    server.signal(signal);
    await server.ended;
    await until(() => watch.stderr.filter((line) => line.includes("connection lost, trying again")).length > i);
    ({ server, address } = await serve(["--data", data, "--grpc", address]));
    // While the watch is still away, or not: it gets it in either case.
    await push(address, i + 2, i + 2, timeMs + 1 + i);
    await watch.line(new RegExp(`"last":${i + 2}[,}]`));
    expect(watch.stderr.filter((line) => /resumed after \d+ s$/.test(line))).toHaveLength(i + 1);
  }
  watch.signal("SIGINT");
  const { code, stdout } = await watch.ended;
  expect(code).toBe(0);
  const counts = jsonLines<Row>(stdout).map(({ count }) => count);
  expect(counts.toSorted((a, b) => a - b)).toEqual(counts);
  expect(counts.at(-1)).toBe(3);
}, 60_000);

it("a watch of a server that was replaced by another database begins anew, and says so", async () => {
  const first = await serve(["--data", await temporaryDirectory()]);
  const timeMs = Date.now() + 60_000;
  const watch = new Cli(["watch", "--address", first.address, "--json"]);
  await push(first.address, 1, 7, timeMs);
  await watch.line(/"last":7[,}]/);
  first.server.signal("SIGTERM");
  await first.server.ended;
  const second = await serve(["--data", await temporaryDirectory(), "--grpc", first.address]);
  await watch.line(/another database/, "stderr");
  await push(second.address, 1, 9, timeMs);
  await watch.line(/"last":9[,}]/);
  watch.signal("SIGINT");
  expect((await watch.ended).code).toBe(0);
}, 60_000);
