import { expect, it } from "vitest";
import { cellOf } from "../../../bench/cell.ts";
import { Meter } from "../../../bench/load/meter.ts";
import { openSender } from "../../../bench/load/open-sender.ts";
import { Probes } from "../../../bench/load/probes.ts";
import { Workload } from "../../../bench/load/workload.ts";
import { startHttp1 } from "./support/doors.ts";
import { HandClock } from "./support/hand-clock.ts";

it("has a probe that waited for a slot carry the time when it was to be sent", async () => {
  const door = await startHttp1();
  const clock = new HandClock();
  const cell = cellOf({ way: "http1", encoding: "json-rows", slots: 1 });
  const source = new Workload({ cell, seed: 1, clock, probes: new Probes(clock, new Meter(clock, 1)) });
  const sender = await openSender({ cell, addresses: { grpc: "", http1: door.address, http2: "" }, source });
  try {
    await sender.send(0, clock.ms - 700);
    await sender.send(0);
  } finally {
    await sender.close();
  }
  expect(door.batches.map(({ samples }) => samples.at(-1)?.timeMs)).toEqual([clock.ms - 700, clock.ms]);
});
