import { expect } from "vitest";
import type { Encoding } from "../../../../bench/cell.ts";
import {
  ackedBy,
  type BenchClient,
  bodyOf,
  complaintOf,
  expectedOf,
  plainBatch,
  typeOf,
} from "../../../support/bench-server.ts";

/** Encoding, what is bad, the body, the reason that is given for it, and the message. */
export type BadBody = readonly [Encoding, string, () => Buffer, string, RegExp];

/** Runs beside somebody who sends before, meanwhile and afterwards, and must not notice. */
export async function besideOthers(client: BenchClient, run: () => Promise<void>): Promise<void> {
  const witness = plainBatch();
  const batches = [1, 2, 3].map((sequence) => ({ ...witness, sequence }));
  const send = async (batch: typeof witness) => {
    const reply = await client.http1(bodyOf["json-columns"](batch), { headers: typeOf("json-columns") });
    expect(ackedBy(reply)).toBe(batch.sequence);
  };
  await send(batches[0]);
  await Promise.all([run(), send(batches[1])]);
  await send(batches[2]);
  expect(await client.aggregates(witness.device)).toEqual(expectedOf(...batches));
}

/** A bad body is answered with a clear error, and others go on. */
export async function expectRefused(
  client: BenchClient,
  [encoding, , bodyFor, reason, message]: BadBody,
): Promise<void> {
  await besideOthers(client, async () => {
    for (const way of ["http1", "http2"] as const) {
      const reply = await client[way](bodyFor(), { headers: typeOf(encoding) });
      expect(reply.status).toBe(400);
      expect(complaintOf(reply).reason).toBe(reason);
      expect(complaintOf(reply).message).toMatch(message);
    }
  });
}

/** Bodies of which some bytes are others are answered, and others go on. */
export async function expectAnswered(client: BenchClient, encoding: Encoding): Promise<void> {
  await besideOthers(client, async () => {
    for (let seed = 1; seed <= 50; seed += 1) {
      const body = Buffer.from(bodyOf[encoding](plainBatch()));
      for (let i = 0; i < 4; i += 1) body[(seed * 7_919 + i * 104_729) % body.length] ^= 1 + ((seed + i) % 255);
      const { status } = await client.http1(body, { headers: typeOf(encoding) });
      // What was changed may still be a batch.
      expect([200, 400, 409]).toContain(status);
    }
  });
}
