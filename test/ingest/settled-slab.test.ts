import fc from "fast-check";
import { expect, it } from "vitest";
import type { Settlement } from "../../ingest/call.ts";
import { packSettlements, unpackSettlements } from "../../ingest/settled-slab.ts";
import { TelemetryError, toFields } from "../../lib/base/errors.ts";

const settlement: fc.Arbitrary<Settlement> = fc.record({
  call: fc.integer({ min: 1, max: 0x7fff_ffff }),
  bytes: fc.nat({ max: 32 * 1024 * 1024 }),
  answers: fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 3 }),
  end: fc.constantFrom(undefined, "ok" as const, toFields(new TelemetryError("INTERNAL", "R", "m"))),
  delay: fc.option(fc.record({ delayMs: fc.nat(), detail: fc.string() }), { nil: undefined }),
});

it("settlements are the same when they were moved to another thread", () => {
  fc.assert(
    fc.property(fc.array(settlement, { maxLength: 10 }), (settlements) => {
      const slab = packSettlements(settlements);
      const moved = structuredClone(slab, { transfer: [slab.bytes.buffer, slab.numbers.buffer] });
      const plain = (each: Settlement) => ({ ...each, answers: each.answers.map((answer) => [...answer]) });
      expect(unpackSettlements(moved).map(plain)).toEqual(settlements.map(plain));
    }),
  );
});
