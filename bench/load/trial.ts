import { type Clock, systemClock } from "../../lib/base/clock.ts";
import { waitFor } from "../../lib/base/wait.ts";
import { AutocannonLoop } from "./autocannon-loop.ts";
import { ClosedLoop } from "./closed-loop.ts";
import { checkContent } from "./content-check.ts";
import { checkDigest } from "./digest-check.ts";
import { Freshness } from "./freshness.ts";
import type { Loop } from "./loop.ts";
import type { GeneratorMessage, GeneratorPlan, GeneratorReport } from "./messages.ts";
import { Meter } from "./meter.ts";
import { OpenLoop } from "./open-loop.ts";
import { openSender } from "./open-sender.ts";
import { scheduleOf } from "./schedule.ts";
import type { Sender } from "./sender.ts";
import { Workload } from "./workload.ts";

const progressMs = 100;

type Say = (message: GeneratorMessage) => void;

/** What a trial works with. */
interface Trial {
  readonly plan: GeneratorPlan;
  readonly workload: Workload;
  readonly meter: Meter;
  readonly clock: Clock;
  readonly sender: Sender;
}

/**
 * Checks the way, warms up, measures, and checks the content.
 * @param say is told when what is measured begins and ends, and how it goes
 * @throws TelemetryError when the server refuses or cannot be reached: then there is no figure
 */
export async function runTrial(plan: GeneratorPlan, say: Say, clock: Clock = systemClock): Promise<GeneratorReport> {
  const digest = plan.isNull ? "" : await checkDigest(plan);
  const { cell, addresses, seed, subscribe = false } = plan;
  const workload = new Workload({ cell, seed, clock, hasProbe: subscribe });
  const meter = new Meter(clock, workload.samplesPerMessage);
  const sender = await openSender({ cell, addresses, source: workload });
  let measured: Measured;
  try {
    measured = await measure({ plan, workload, meter, clock, sender }, say);
  } finally {
    await sender.close();
  }
  const differences = plan.isNull ? { lost: 0, duplicated: 0, seriesWrong: 0 } : await checkContent(plan, workload);
  return { ...measured, ...differences, digest };
}

type Measured = Omit<GeneratorReport, "lost" | "duplicated" | "seriesWrong" | "digest">;

async function measure(trial: Trial, say: Say): Promise<Measured> {
  const { plan, workload, meter, clock, sender } = trial;
  const freshness = plan.subscribe
    ? await Freshness.start({ addresses: plan.addresses, deviceId: workload.devices[0].id, clock, meter })
    : undefined;
  try {
    const loop = loopOf(trial);
    const cpuSeconds = await runPhases(trial, loop, say);
    // Autocannon has cut them off; whether the server had them already, only the sequence knows.
    await Promise.all(workload.unsettledSlots.map((slot) => sender.send(slot)));
    return {
      samples: meter.samples,
      seconds: meter.seconds,
      cpuSeconds,
      ackMs: meter.latencies.quantiles(),
      ...(freshness !== undefined && { freshnessMs: freshness.latencies.quantiles() }),
    };
  } finally {
    await freshness?.close();
  }
}

function loopOf({ plan, workload, meter, clock, sender }: Trial): Loop {
  const { cell, addresses, openLoop, seed, warmUpMs, measureMs } = plan;
  const options = { sender, slots: cell.slots, clock, meter };
  if (openLoop === undefined) {
    if (cell.way === "http1") return new AutocannonLoop({ cell, addresses, workload, clock, meter });
    return new ClosedLoop(options);
  }
  const times = scheduleOf({
    arrival: openLoop.arrival,
    perSecond: openLoop.samplesPerSecond / workload.samplesPerMessage,
    durationMs: warmUpMs + measureMs,
    stepAtMs: warmUpMs + measureMs / 2,
    seed,
  });
  return new OpenLoop(options, times);
}

/** @returns processor seconds of this process while it was measured */
async function runPhases({ plan, meter, clock }: Trial, loop: Loop, say: Say): Promise<number> {
  const ending = new AbortController();
  const startedMs = clock.elapsedMs();
  const progress = setInterval(() => {
    const seconds = (clock.elapsedMs() - startedMs) / 1_000;
    say({ kind: "progress", seconds, samplesSettled: meter.samplesSettled, messagesWaiting: loop.waiting });
  }, progressMs);
  const phases = async () => {
    await waitFor(plan.warmUpMs, ending.signal);
    if (ending.signal.aborted) return 0;
    say({ kind: "measuring" });
    const before = process.cpuUsage();
    meter.start();
    await waitFor(plan.measureMs, ending.signal);
    meter.stop();
    const { user, system } = process.cpuUsage(before);
    if (!ending.signal.aborted) say({ kind: "measured" });
    ending.abort();
    return (user + system) / 1e6;
  };
  try {
    const running = loop.run(ending.signal).finally(() => ending.abort());
    const [cpuSeconds] = await Promise.all([phases(), running]);
    return cpuSeconds;
  } finally {
    clearInterval(progress);
  }
}
