import { expect, it } from "vitest";
import { Cli, serve, temporaryDirectory, tidemark, until } from "./support/cli.ts";

it("asks streams to end when their connection is too old: devices and watchers go on with another, and nothing is lost", async () => {
  const { server, address } = await serve([
    ...["--data", await temporaryDirectory(), "--tiers", "1s,1m"],
    ...["--connection-age-max", "1s", "--log-level", "debug"],
  ]);
  const watch = new Cli(["watch", "--address", address, "--json"]);
  const fleet = ["--devices", "3", "--interval", "100ms", "--batches", "40", "--integers", "--json"];
  const simulated = await tidemark(["simulate", "--address", address, ...fleet]);
  expect(simulated).toMatchObject({ code: 0 });
  expect(JSON.parse(simulated.stdout.trim().split("\n").at(-1) ?? "")).toMatchObject({
    samplesSent: 1_200,
    samplesAcked: 1_200,
  });
  const ended = (method: string) =>
    server.stderr.filter((line) => line.includes(method) && line.includes('code="OK"')).length;
  await until(() => ended("IngestService/StreamBatches") > 1 && ended("QueryService/Subscribe") > 1);
  const status = await tidemark(["status", "--address", address, "--json"]);
  expect(JSON.parse(status.stdout)).toMatchObject({ samplesCounted: "1200" });
  expect(watch.over).toBe(false);
  await watch.kill();
});
