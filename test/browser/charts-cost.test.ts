import { expect, it, onTestFinished } from "vitest";
import { registration } from "../support/batches.ts";
import { startServer } from "../support/server.ts";
import { launch, missing, open } from "./browser-page.ts";

const charts = 50;
const measuredMs = 10_000;
/** Of one core, as the page's main thread has it. */
const shareMax = 0.2;

it.skipIf(missing !== undefined)("draws 50 charts at 1 Hz in a fifth of a core", async () => {
  const server = await startServer({}, { http: "127.0.0.1:0" });
  const metrics = Array.from({ length: charts }, (_, i) => `m${String(i).padStart(2, "0")}`);
  let sequence = 0;
  /** A sample of each metric. */
  async function send(ageMs: number): Promise<void> {
    sequence += 1;
    const table = {
      metricHandles: metrics.map((_, i) => i + 1),
      baseTimeUnixMs: BigInt(Date.now() - ageMs),
      timeOffsetsMs: [0],
      values: metrics.map((_, i) => i + Math.sin(sequence)),
    };
    const batch = { deviceHandle: 1, sequence: BigInt(sequence), tables: [table] };
    await server.ingest.pushBatch({
      registration: registration("many", { metrics }),
      payload: { case: "batch", value: batch },
    });
  }
  for (let ageMs = 900_000; ageMs > 0; ageMs -= 10_000) await send(ageMs);

  const browser = await launch();
  onTestFinished(() => browser.close());
  // High enough for all of them to be on the screen.
  const { page, complaints } = await open(browser, server.httpAddress, "/#/device?device=many", {
    viewport: { width: 1_600, height: 6_000 },
  });
  await page.waitForFunction(`document.querySelectorAll(".plot canvas").length === ${charts}`);
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable");
  const taskSeconds = async () => {
    const { metrics: told } = await session.send("Performance.getMetrics");
    return told.find(({ name }) => name === "TaskDuration")?.value ?? Number.NaN;
  };
  const feeding = new AbortController();
  const feed = (async () => {
    while (!feeding.signal.aborted) {
      await send(0);
      await page.waitForTimeout(1_000);
    }
  })();
  await page.waitForTimeout(2_000);
  const before = await taskSeconds();
  await page.waitForTimeout(measuredMs);
  const share = ((await taskSeconds()) - before) / (measuredMs / 1_000);
  feeding.abort();
  await feed;
  expect(complaints).toEqual([]);
  expect(share).toBeLessThan(shareMax);
});
