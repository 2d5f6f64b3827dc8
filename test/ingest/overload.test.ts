import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { defaultQuotas } from "../../ingest/quotas.ts";
import { SlabBuilder } from "../../ingest/slab.ts";
import { Writer } from "../../ingest/writer.ts";
import type { WriterStatus } from "../../ingest/writer-messages.ts";
import { defaultTiers } from "../../lib/aggregate/tiers.ts";
import { latenessMsDefault } from "../../lib/base/limits.ts";
import { asBatches, asRegistration, batch, registration, streamBytes } from "../support/batches.ts";

/** Slabs that come in while the writer stores a group, whether it has settled any or not. */
const waitingMax = 20;
/** Each group takes 20 ms: three times as long as a window waits to be stored. */
const groupsMax = 150;

it("stores what it has acked while more is always waiting", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "tidemark-overload-"));
  const writer = await Writer.start({
    dataDir,
    tiers: defaultTiers,
    durability: "process",
    latenessMs: latenessMsDefault,
    quotas: defaultQuotas,
    keepRaw: undefined,
    fault: "slow-append:20",
  });
  onTestFinished(async () => {
    await writer.close();
    await rm(dataDir, { recursive: true });
  });
  const builder = new SlabBuilder();
  let sequence = 0;
  const submit = () => {
    if (sequence === 0) {
      builder.add(1, "open stream");
      builder.add(1, "message", streamBytes(asRegistration(registration("press"))));
    }
    sequence += 1;
    builder.add(1, "message", streamBytes(asBatches(batch(sequence, [1]))));
    writer.submit(builder.build());
  };
  let waiting = 0;
  let groups = 0;
  const status = await new Promise<WriterStatus>((resolve) => {
    const listener = { onUpdate() {}, onDevices() {} };
    const onSettled = () => {
      waiting = 0;
      groups += 1;
    };
    writer.listener = { ...listener, onSettled };
    let isAsked = false;
    let isOver = false;
    onTestFinished(() => {
      isOver = true;
    });
    const turn = () => {
      if (isOver) return;
      if (groups >= groupsMax && !isAsked) {
        isAsked = true;
        resolve(writer.call("status"));
      }
      if (waiting < waitingMax) {
        waiting += 1;
        submit();
      }
      setImmediate(turn);
    };
    turn();
  });
  expect(status.groups).toBeGreaterThan(0);
  expect(status.journalGroups).toBeLessThan(status.groups);
});
