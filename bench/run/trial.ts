import type { GeneratorMessage, GeneratorPlan, GeneratorReport } from "../load/messages.ts";
import type { Figures, Timeline } from "../results.ts";
import type { BenchServerReady, ServerUsage } from "../server/messages.ts";
import { Child } from "./child.ts";
import { inScratch } from "./scratch.ts";
import { ServerProcess } from "./server-process.ts";
import { TimelineRecorder } from "./timeline.ts";

/** What a trial is asked for: the generator's plan, without what only a running server knows. */
export interface TrialPlan extends Omit<GeneratorPlan, "addresses"> {
  readonly timeline?: boolean;
}

export interface TrialOutcome {
  readonly figures: Figures;
  readonly server: BenchServerReady;
  /** Columns and rows of what the server did over time, when it was asked for. */
  readonly timeline: Pick<Timeline, "columns" | "rows"> | undefined;
}

const generatorGraceMs = 5_000;
/** Registering, and checking the content: much less, on a machine that does nothing else. */
const besidesMsMax = 90_000;

/**
 * One trial: a server on an empty database and a generator, each in a fresh process.
 * @param signal ends it early
 * @throws Error when either process fails, or it is ended early
 */
export async function runTrial(plan: TrialPlan, signal: AbortSignal): Promise<TrialOutcome> {
  const { durability, tls } = plan.cell;
  return await inScratch("bench", async (dataDir) => {
    const server = await ServerProcess.start({ dataDir, durability, tls, isNull: plan.isNull });
    try {
      return await measure(server, plan, signal);
    } finally {
      await server.stop();
    }
  });
}

async function measure(server: ServerProcess, plan: TrialPlan, signal: AbortSignal): Promise<TrialOutcome> {
  const { grpc, http1, http2, ca } = server.ready;
  const report = Promise.withResolvers<GeneratorReport>();
  const usages: Promise<ServerUsage>[] = [];
  const recorder = plan.timeline === true ? new TimelineRecorder(server) : undefined;
  const onMessage = (message: unknown) => {
    const told = message as GeneratorMessage;
    if (told.kind === "measuring" || told.kind === "measured") {
      const usage = server.usage();
      usage.catch(() => {});
      usages.push(usage);
    } else if (told.kind === "progress") recorder?.onProgress(told);
    else if (told.kind === "done") report.resolve(told.report);
    else report.reject(new Error(told.error));
  };
  await server.resetPeak();
  const generatorPlan: GeneratorPlan = { ...plan, addresses: { grpc, http1, http2, ca } };
  const generator = new Child("../load/main", import.meta.url, generatorPlan, onMessage);
  const interrupted = Promise.withResolvers<never>();
  const onAbort = () => interrupted.reject(new Error("interrupted"));
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  const hung = () => interrupted.reject(new Error("the trial did not end: server or generator are stuck"));
  const timer = setTimeout(hung, plan.warmUpMs + plan.measureMs + besidesMsMax);
  try {
    const done = await Promise.race([report.promise, generator.failed, server.failed, interrupted.promise]);
    const [before, after] = await Promise.all(usages);
    if (before === undefined || after === undefined) throw new Error("the generator did not say when it measured");
    const timeline = recorder && { columns: recorder.columns, rows: recorder.rows };
    return { figures: figuresOf(plan, done, before, after), server: server.ready, timeline };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    await generator.end(signal.aborted ? 0 : generatorGraceMs);
  }
}

function figuresOf(plan: TrialPlan, report: GeneratorReport, before: ServerUsage, after: ServerUsage): Figures {
  const { samples, seconds, cpuSeconds, ...told } = report;
  const millions = Math.max(samples, 1) / 1e6;
  // The server looks when its event loop comes to it, so that its stretch of time is a little longer or shorter.
  const scale = (seconds * 1_000) / (after.elapsedMs - before.elapsedMs);
  return {
    ...told,
    samples,
    seconds,
    samplesPerSecond: samples / seconds,
    ...(plan.openLoop !== undefined && {
      offeredPerSecond: plan.openLoop.samplesPerSecond,
      arrival: plan.openLoop.arrival,
    }),
    serverCpuSecondsPerMillion: ((after.cpuSeconds - before.cpuSeconds) * scale) / millions,
    generatorCpuSecondsPerMillion: cpuSeconds / millions,
    bytesPerSample: ((after.bytesReceived - before.bytesReceived) * scale) / Math.max(samples, 1),
    serverRssPeakBytes: after.rssPeakBytes,
  };
}
