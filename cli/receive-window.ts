import { invalidField } from "../lib/base/errors.ts";
import { receiveWindowBytesDefault, receiveWindowBytesMax, receiveWindowBytesMin } from "../lib/base/limits.ts";
import { formatSize, parseSize } from "../lib/base/size.ts";
import { setting } from "./options.ts";

/** How far clients may send ahead, as a flag of the server. */

const flag = "--receive-window";

export const receiveWindowSetting = () =>
  setting(
    `${flag} <size>`,
    "what a client may send on a call before it is read; larger for gateways on fast lines with a long way",
  )
    .argParser(parseReceiveWindow)
    .default(receiveWindowBytesDefault, formatSize(receiveWindowBytesDefault));

export function parseReceiveWindow(text: string): number {
  const bytes = parseSize(text, flag);
  if (bytes < receiveWindowBytesMin || bytes > receiveWindowBytesMax) {
    const bounds = `${formatSize(receiveWindowBytesMin)} to ${formatSize(receiveWindowBytesMax)}`;
    throw invalidField(flag, `is ${JSON.stringify(text)}`, `choose ${bounds}`);
  }
  return bytes;
}

/** For people, in one line: what it can cost. */
export function describeReceiveWindow(bytes: number): string {
  return `${formatSize(bytes)} of memory at most for each call that is not read`;
}
