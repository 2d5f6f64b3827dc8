import type { Settlement } from "./call.ts";

/** What only some settlements have. */
interface Rest extends Pick<Settlement, "end" | "delay"> {
  readonly index: number;
}

/**
 * What a group comes to, for all its calls, in one buffer on the way back to the I/O thread: an object with its
 * answers for each call would be copied one by one, for longer than the group took. Posting moves it, as a `Slab`.
 */
export interface SettledSlab {
  /** The answers, one behind the other. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Per settlement: call id, bytes, number of answers, and the length of each. */
  readonly numbers: Int32Array<ArrayBuffer>;
  readonly rest: readonly Rest[];
}

export function packSettlements(settlements: readonly Settlement[]): SettledSlab {
  const numbers: number[] = [];
  const rest: Rest[] = [];
  let length = 0;
  for (const [index, { call, bytes, answers, end, delay }] of settlements.entries()) {
    numbers.push(call, bytes, answers.length);
    for (const answer of answers) {
      numbers.push(answer.length);
      length += answer.length;
    }
    if (end !== undefined || delay !== undefined) rest.push({ index, end, delay });
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const { answers } of settlements) {
    for (const answer of answers) {
      bytes.set(answer, at);
      at += answer.length;
    }
  }
  return { bytes, numbers: Int32Array.from(numbers), rest };
}

/** @returns settlements whose answers lie in the slab's buffer */
export function unpackSettlements({ bytes, numbers, rest }: SettledSlab): Settlement[] {
  const settlements: Settlement[] = [];
  let start = 0;
  for (let i = 0, next = 0; i < numbers.length; ) {
    const [call, settled, count] = [numbers[i], numbers[i + 1], numbers[i + 2]];
    i += 3;
    const answers: Uint8Array[] = [];
    for (const end = i + count; i < end; i += 1) {
      answers.push(bytes.subarray(start, start + numbers[i]));
      start += numbers[i];
    }
    const { end, delay } = rest[next]?.index === settlements.length ? rest[next++] : nothing;
    settlements.push({ call, bytes: settled, answers, end, delay });
  }
  return settlements;
}

const nothing = { end: undefined, delay: undefined };
