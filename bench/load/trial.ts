import { type Clock, systemClock } from "../../lib/base/clock.ts";
import { neverAborted, waitFor } from "../../lib/base/wait.ts";
import { AutocannonLoop } from "./autocannon-loop.ts";
import { ClosedLoop } from "./closed-loop.ts";
import { checkContent } from "./content-check.ts";
import { checkDigest } from "./digest-check.ts";
import { Freshness } from "./freshness.ts";
import type { Loop, LoopOptions } from "./loop.ts";
import type { GeneratorMessage, GeneratorPlan, GeneratorReport } from "./messages.ts";
import { Meter } from "./meter.ts";
import { OpenLoop } from "./open-loop.ts";
import { openSender } from "./open-sender.ts";
import { Probes } from "./probes.ts";
import { scheduleOf } from "./schedule.ts";
import type { Sender } from "./sender.ts";
import { Workload } from "./workload.ts";

const progressMs = 100;
/** Probes sent while it was measured are waited for so long after it: many times the interval of a subscription. */
const stragglersMs = 2_000;

type Say = (message: GeneratorMessage) => void;

/** What a trial works with. */
interface Trial {
  readonly plan: GeneratorPlan;
  readonly workload: Workload;
  readonly meter: Meter;
  readonly clock: Clock;
  readonly sender: Sender;
  readonly probes: Probes;
}

/**
 * Checks the way, registers all devices, warms up, measures, and checks the content.
 * @param say is told when what is measured begins and ends, and how it goes
 * @throws TelemetryError when the server refuses or cannot be reached: then there is no figure
 */
export async function runTrial(plan: GeneratorPlan, say: Say, clock: Clock = systemClock): Promise<GeneratorReport> {
  const digest = plan.isNull ? "" : await checkDigest(plan);
  const { cell, addresses, seed, subscribe = false } = plan;
  const meter = new Meter(clock, cell.batchSamples * cell.batchesPerMessage);
  const probes = new Probes(clock, meter);
  const workload = new Workload({ cell, seed, clock, probes: subscribe ? probes : undefined });
  const sender = await openSender({ cell, addresses, source: workload });
  let measured: Measured;
  try {
    measured = await measure({ plan, workload, meter, clock, sender, probes }, say);
  } finally {
    await sender.close();
  }
  const differences = plan.isNull ? { lost: 0, duplicated: 0, seriesWrong: 0 } : await checkContent(plan, workload);
  return { ...measured, ...differences, digest };
}

type Measured = Omit<GeneratorReport, "lost" | "duplicated" | "seriesWrong" | "digest">;

async function measure(trial: Trial, say: Say): Promise<Measured> {
  const { plan, workload, meter, clock, probes } = trial;
  const freshness = plan.subscribe
    ? await Freshness.start({ addresses: plan.addresses, deviceId: workload.devices[0].id, clock, probes })
    : undefined;
  try {
    await prime(trial);
    const openLoop = openLoopOf(trial);
    if (openLoop !== undefined) await new ClosedLoop(optionsOf(trial)).run(AbortSignal.timeout(plan.warmUpMs));
    const unmeasuredMs = plan.openLoop === undefined ? plan.warmUpMs : plan.openLoop.leadInMs;
    const cpuSeconds = await runPhases(trial, openLoop ?? closedLoopOf(trial), unmeasuredMs, say);
    await probes.settle(stragglersMs);
    const lateness = openLoop?.lateness;
    return {
      samples: meter.samples,
      seconds: meter.seconds,
      cpuSeconds,
      ackMs: meter.latencies.quantiles(),
      ...(probes.latencies.count > 0 && { freshnessMs: probes.latencies.quantiles() }),
      ...(lateness !== undefined && lateness.count > 0 && { generatorLateMs: lateness.quantiles().p99 }),
    };
  } finally {
    await freshness?.close();
  }
}

/**
 * Has the server register all devices and metrics, in every way, before anything is measured: some ways register with
 * the first batch of a device only. Against a server that keeps nothing too, so that the generator has done the same.
 */
async function prime(trial: Trial): Promise<void> {
  const { workload, clock } = trial;
  const options = { ...optionsOf(trial), meter: new Meter(clock, 0) };
  await new ClosedLoop(options, (slot) => !workload.isPrimed(slot)).run(neverAborted);
}

function optionsOf({ plan, meter, clock, sender }: Trial): LoopOptions {
  return { sender, slots: plan.cell.slots, clock, meter };
}

function closedLoopOf(trial: Trial): Loop {
  const { cell, addresses } = trial.plan;
  return cell.way === "http1" ? new AutocannonLoop({ ...trial, cell, addresses }) : new ClosedLoop(optionsOf(trial));
}

function openLoopOf(trial: Trial): OpenLoop | undefined {
  const { openLoop, seed, measureMs } = trial.plan;
  if (openLoop === undefined) return undefined;
  const { leadInMs } = openLoop;
  const times = scheduleOf({
    arrival: openLoop.arrival,
    perSecond: openLoop.samplesPerSecond / trial.workload.samplesPerMessage,
    durationMs: leadInMs + measureMs,
    stepAtMs: leadInMs + measureMs / 2,
    seed,
  });
  return new OpenLoop(optionsOf(trial), times);
}

/** @returns processor seconds of this process while it was measured */
async function runPhases({ plan, meter, clock }: Trial, loop: Loop, unmeasuredMs: number, say: Say): Promise<number> {
  const ending = new AbortController();
  const startedMs = clock.elapsedMs();
  const progress = setInterval(() => {
    const seconds = (clock.elapsedMs() - startedMs) / 1_000;
    say({ kind: "progress", seconds, samplesSettled: meter.samplesSettled, messagesWaiting: loop.waiting });
  }, progressMs);
  const phases = async () => {
    await waitFor(unmeasuredMs, ending.signal);
    if (ending.signal.aborted) return 0;
    say({ kind: "measuring" });
    const before = process.cpuUsage();
    meter.start();
    await waitFor(plan.measureMs, ending.signal);
    // A closed loop that has settled nothing yet has no cost per sample: a server that is held up is waited for.
    while (plan.openLoop === undefined && meter.samples === 0 && !ending.signal.aborted) {
      await waitFor(progressMs, ending.signal);
    }
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
