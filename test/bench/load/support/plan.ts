import { type Cell, cellOf } from "../../../../bench/cell.ts";
import type { GeneratorMessage, GeneratorPlan } from "../../../../bench/load/messages.ts";

/** A short closed loop of a small cell, unless told otherwise. */
export function planOf(
  addresses: Partial<GeneratorPlan["addresses"]>,
  chosen: Partial<Cell> = {},
  more: Partial<GeneratorPlan> = {},
): GeneratorPlan {
  return {
    cell: cellOf({ slots: 4, connections: 2, ...chosen }),
    seed: 7,
    // A whole minute, long ago: the same windows in every test.
    baseTimeMs: Date.UTC(2026, 0, 15, 12),
    addresses: { grpc: "", http1: "", http2: "", ...addresses },
    isNull: false,
    warmUpMs: 50,
    measureMs: 300,
    ...more,
  };
}

/** What a generator has said. */
export class Heard {
  readonly messages: GeneratorMessage[] = [];
  readonly say = (message: GeneratorMessage) => void this.messages.push(message);

  get kinds(): string[] {
    return this.messages.map(({ kind }) => kind).filter((kind) => kind !== "progress");
  }
}
