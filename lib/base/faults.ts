import { spawn } from "node:child_process";
import { invalidField } from "./errors.ts";

/**
 * Faults on purpose, for the tests that show what survives them. Nothing is armed unless the hidden flag `--fault` of
 * `serve` says so: `after-append:3` ends the process, as a crash would, when it gets there for the third time;
 * `slow-append:200` makes each commit of the journal take 200 ms longer, `in-checkpoint:5` ends the process 5 ms after
 * its first checkpoint has begun; for the first 3 groups of `disk-full:3` there is no space.
 */
export const faultPoints = [
  "before-append",
  "after-append",
  "before-flush",
  "before-checkpoint",
  "in-recovery",
  "in-roll-up",
  "after-delete",
  "in-purge",
] as const;
export type FaultPoint = (typeof faultPoints)[number];

let armed: { point: string; left: number } | undefined;
let slowAppendMs = 0;
let checkpointMs = 0;
let appendsWithoutSpace = 0;

/** @param spec `POINT:COUNT` or `slow-append:MILLISECONDS` @throws TelemetryError */
export function armFault(spec: string): void {
  const [point, number] = spec.split(":");
  const count = Number(number);
  const others = ["slow-append", "in-checkpoint", "disk-full"];
  const known = [...others, ...faultPoints].some((each) => each === point);
  if (!known || !(count >= 1)) {
    throw invalidField("--fault", `is ${JSON.stringify(spec)}`, `write one of ${faultPoints.join(", ")} with a count`);
  }
  if (point === "slow-append") slowAppendMs = count;
  else if (point === "in-checkpoint") checkpointMs = count;
  else if (point === "disk-full") appendsWithoutSpace = count;
  else armed = { point, left: count };
}

/** The program has come to a point at which it may have to end. */
export function reach(point: FaultPoint): void {
  if (point === "before-append" && slowAppendMs > 0) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, slowAppendMs);
  }
  if (point === "before-checkpoint" && checkpointMs > 0) {
    // SQLite does not come back before it is done: someone else must do it.
    spawn("sh", ["-c", `sleep ${checkpointMs / 1_000}; kill -9 ${process.pid}`], { stdio: "ignore" }).unref();
  }
  if (armed?.point !== point) return;
  armed.left -= 1;
  if (armed.left === 0) process.kill(process.pid, "SIGKILL");
}

/** Whether there is no space for a group, on purpose. */
export function meetsFullDisk(): boolean {
  if (appendsWithoutSpace === 0) return false;
  appendsWithoutSpace -= 1;
  return true;
}
