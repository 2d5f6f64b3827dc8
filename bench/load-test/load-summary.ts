import { formatTable } from "../../cli/terminal.ts";
import { formatDuration } from "../../lib/base/duration.ts";
import { figuresOf, isLimited, type LoadResult } from "./load-result.ts";
import { slowDownText } from "./load-view.ts";
import { formatFigure, formatMs, type Judgement } from "./threshold.ts";

/** A load for people. */
export function summaryLines(result: LoadResult, judgements: readonly Judgement[]): string[] {
  const { options, seconds, isInterrupted, ackMs, ackedPerSecond } = result;
  const { idPrefix, devices, metrics, samplesPerSecond, batchSamples, connections, mode, rampMs } = options;
  const ramp = rampMs === 0 ? "" : `, ramp ${formatDuration(rampMs)}`;
  const shownSeconds = `${Math.round(seconds * 10) / 10} s${isInterrupted ? " (interrupted)" : ""}`;
  return [
    `${idPrefix}: ${devices} devices x ${metrics} metrics for ${shownSeconds}${ramp}`,
    `${samplesPerSecond} samples/s in batches of ${batchSamples}, by ${mode}, on ${Math.min(connections, devices)} connections`,
    "",
    `rate       ${Math.round(ackedPerSecond)} samples/s acked${rampMs === 0 ? "" : " after the ramp"}`,
    `ack        ${quantileNames.map(([name, text]) => `${text} ${formatMs(ackMs[name])}`).join("  ")}, from when it was due`,
    ...faultLines(result),
    ...serverLines(result),
    ...generatorLines(result),
    ...verificationLines(result),
    "",
    ...judgementLines(judgements),
  ];
}

/** A load for programs. */
export function summaryJson(result: LoadResult, judgements: readonly Judgement[]) {
  const { options, verification, notVerified, generator, ...rest } = result;
  const { idPrefix, seed, ...asked } = options;
  return {
    passed: judgements.every(({ passed }) => passed),
    idPrefix,
    seed,
    asked,
    ...rest,
    unacked: figuresOf(result).unacked,
    verification: verification ?? null,
    notVerified,
    generator: { ...generator, isLimited: isLimited(generator) },
    thresholds: judgements.map(({ threshold: { text }, value, passed }) => ({
      threshold: text,
      value: value ?? null,
      passed,
    })),
  };
}

const quantileNames = [
  ["p50", "p50"],
  ["p90", "p90"],
  ["p99", "p99"],
  ["p999", "p99.9"],
  ["max", "max"],
] as const;

function faultLines({ faults, options }: LoadResult): string[] {
  const { cutRate, resendRate, lateRate } = options;
  if (cutRate + resendRate + lateRate === 0) return [];
  const { cuts, batchesRepeated, readingsLate } = faults;
  return [`faults     cuts ${cuts}, batches sent again ${batchesRepeated}, readings late ${readingsLate}`];
}

function serverLines({ slowDowns, reconnects, faults, devicesFailed, refusals }: LoadResult): string[] {
  const slow = slowDownText(slowDowns);
  const unwanted = Math.max(0, reconnects - faults.cuts);
  const parts = [
    ...(slow === "" ? [] : [`slowed the load down ${slow}`]),
    ...(unwanted === 0 ? [] : [`connections that broke ${unwanted}`]),
    ...(devicesFailed === 0 ? [] : [`devices refused ${devicesFailed}`]),
  ];
  return [
    ...(parts.length === 0 ? [] : [`server     ${parts.join(", ")}`]),
    ...refusals.map((text) => `           ${text}`),
  ];
}

function generatorLines({ generator }: LoadResult): string[] {
  const { lateMs, cpuShare, busyShare } = generator;
  const lines = [
    `generator  late by p99 ${formatMs(lateMs.p99)}, at most ${formatMs(lateMs.max)}; ${Math.round(cpuShare * 100)} % of a core`,
  ];
  if (!isLimited(generator)) return lines;
  return [
    ...lines,
    `warning: the load generator itself was late by up to ${formatMs(lateMs.max)}, and busy ` +
      `${Math.round(busyShare * 100)} % of the time: part of these times is its own; run it on another machine, or ask ` +
      "for less",
  ];
}

function verificationLines({ offered, sent, acked, verification, notVerified }: LoadResult): string[] {
  const settled = `samples    offered ${offered}, sent ${sent}, acked ${acked}`;
  if (verification === undefined) return [settled, `not verified: ${notVerified}`];
  const { counted, refused, lost, duplicated, series, seriesWrong, differences } = verification;
  const refusedText = refused === 0 ? "" : `, refused ${refused}`;
  return [
    `${settled}, counted ${counted}${refusedText}: ${lost} lost, ${duplicated} counted twice`,
    `verified   count, sum, min and max of ${series} series, ${seriesWrong} wrong`,
    ...differences.map((text) => `           ${text}`),
  ];
}

function judgementLines(judgements: readonly Judgement[]): string[] {
  const rows = judgements.map(({ threshold, value, passed }) => [
    passed ? "PASS" : "FAIL",
    threshold.text,
    formatFigure(threshold.metric, value),
  ]);
  return formatTable(rows);
}
