import { createLogUpdate } from "log-update";
import { faint, heading, log } from "../../cli/terminal.ts";
import { systemClock } from "../../lib/base/clock.ts";
import { formatDuration } from "../../lib/base/duration.ts";
import type { LoadTest } from "./load-test.ts";
import type { LoadUplinks } from "./load-uplinks.ts";
import { formatMs } from "./threshold.ts";

const redrawMs = 1_000;
const lineMs = 5_000;

/** How a load is doing: in place where standard error is a terminal, a line every 5 s where it is not. */
export class LoadView {
  readonly #load: LoadTest;
  readonly #draw = createLogUpdate(process.stderr);
  readonly #timer: NodeJS.Timeout;
  #shownMs = systemClock.elapsedMs();
  #dueBefore = 0;
  #ackedBefore = 0;
  #warningBefore = "";

  constructor(load: LoadTest) {
    this.#load = load;
    const inPlace = process.stderr.isTTY;
    this.#timer = setInterval(() => (inPlace ? this.#redraw() : this.#printLine()), inPlace ? redrawMs : lineMs);
    if (inPlace) this.#redraw();
  }

  stop(): void {
    clearInterval(this.#timer);
    if (process.stderr.isTTY) this.#draw.clear();
  }

  #redraw(): void {
    const { options, phase, uplinks } = this.#load;
    const { warning } = uplinks;
    const { idPrefix, devices, metrics, server } = options;
    const [title, ...lines] = [
      `${idPrefix}  ${devices} devices x ${metrics} metrics to ${server.address}`,
      ...this.#texts(),
      ...(warning === "" ? [] : [warning]),
    ];
    const endsSoon = phase === "draining" || phase === "verifying";
    this.#draw([heading(title), ...lines, ...(endsSoon ? [] : [faint("Ctrl-C ends it early")])].join("\n"));
  }

  #printLine(): void {
    const { warning } = this.#load.uplinks;
    log.info(this.#texts().join("; "));
    if (warning !== this.#warningBefore) log.warn(warning);
    this.#warningBefore = warning;
  }

  #texts(): string[] {
    const { tally, dueTimes, pacer, options, phase, uplinks } = this.#load;
    if (phase === "registering" || phase === "verifying") return [this.#state()];
    const nowMs = systemClock.elapsedMs();
    const due = dueTimes.dueBy(pacer.elapsedMs());
    const acked = tally.batchesAcked;
    const { p50, p99 } = tally.recentAckMs.quantiles();
    const shownForMs = Math.max(1, Math.min(nowMs - this.#shownMs, pacer.elapsedMs()));
    const perSecond = (batches: number) => `${Math.round((batches * options.batchSamples * 1_000) / shownForMs)}/s`;
    const waiting = Math.max(0, Math.round(due - acked)) * options.batchSamples;
    const texts = [
      this.#state(),
      `offered ${perSecond(due - this.#dueBefore)}  acked ${perSecond(acked - this.#ackedBefore)}  waiting ${waiting}`,
      tally.recentAckMs.count === 0 ? "no acks" : `ack p50 ${formatMs(p50)}  p99 ${formatMs(p99)}`,
      serverText(uplinks.delivery),
    ];
    tally.recentAckMs.reset();
    this.#shownMs = nowMs;
    this.#dueBefore = due;
    this.#ackedBefore = acked;
    return texts;
  }

  #state(): string {
    const { phase, options, tally, pacer } = this.#load;
    const { rampMs, durationMs, devices, drainMs } = options;
    if (phase === "registering") return `registering: ${tally.devicesRegistered} of ${devices} devices`;
    if (phase === "verifying") return "verifying: asking the server what it has counted";
    if (phase === "draining") return `draining: waiting up to ${formatDuration(drainMs)} for the last acks`;
    const elapsedMs = pacer.elapsedMs();
    const seconds = formatDuration(Math.floor(elapsedMs / 1_000) * 1_000);
    return `${seconds} of ${formatDuration(durationMs)}${elapsedMs < rampMs ? `, ramp until ${formatDuration(rampMs)}` : ""}`;
  }
}

/** What the server has said, and how often connections broke, since the start. */
function serverText({ slowDowns, reconnects, cuts }: LoadUplinks["delivery"]): string {
  const slow = slowDownText(slowDowns);
  return [
    ...(slow === "" ? [] : [`slowed down ${slow}`]),
    `reconnects ${reconnects}${cuts > 0 ? `, cut on purpose ${cuts}` : ""}`,
  ].join("; ");
}

/** `3 times by disk, 1 times by quota`; "" when it never was. */
export function slowDownText(slowDowns: Readonly<Record<string, number>>): string {
  const causes = Object.entries(slowDowns).filter(([, times]) => times > 0);
  return causes.map(([cause, times]) => `${times} times by ${cause}`).join(", ");
}
