import { uplinkModes } from "../device-sim/uplink/uplink.ts";
import { invalidField } from "../lib/base/errors.ts";
import { batchSamplesMax } from "../lib/base/limits.ts";
import { duration, integer, setting } from "./options.ts";

/** Flags of commands that send as many devices do. */

export const batchSamplesSetting = () =>
  setting("--batch-samples <n>", "samples per batch (default: one reading of all metrics)").argParser(
    integer("--batch-samples", 1, batchSamplesMax),
  );
export const connectionsSetting = (usual: number) =>
  setting("--connections <n>", "connections that the devices share")
    .argParser(integer("--connections", 1, 10_000))
    .default(usual);
export const modeSetting = () =>
  setting("--mode <mode>", "how batches are sent")
    .choices(uplinkModes)
    .default("stream" as const);
export const gzipSetting = () => setting("--gzip", "compress what is sent; see below what it costs");
export const seedSetting = (description: string) =>
  setting("--seed <n>", description)
    .argParser(integer("--seed", 0, Number.MAX_SAFE_INTEGER))
    .default(1);
export const outOfOrderSetting = (description: string) =>
  setting("--out-of-order <rate>", description).argParser(share("--out-of-order"));
export const lateBySetting = () =>
  setting("--late-by <duration>", "how late at most, in event time (default: 5m)").argParser(duration("--late-by"));
export const resendSetting = (description: string) =>
  setting("--resend <rate>", description).argParser(share("--resend"));
export const cutSetting = () =>
  setting("--cut <rate>", "chance per second that a connection is cut on purpose, 0 to 1").argParser(share("--cut"));

/** What `--gzip` does, for the help of the commands that have it. */
export const gzipHelp = `
--gzip compresses requests, for lines that are narrow or paid by the byte; answers never are: grpc-js's server does not.
It costs both sides processor time, the server most: a compressed stream goes through grpc-js, and not past it.`;

/** A number from 0 to 1. */
export function share(flag: string) {
  return (text: string): number => {
    const value = Number(text);
    if (!/^\d*\.?\d+$/.test(text) || value > 1) {
      throw invalidField(flag, `is ${JSON.stringify(text)}`, "choose a number from 0 to 1, such as 0.01");
    }
    return value;
  };
}
