import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { DeliveryLog } from "../../device-sim/log/delivery-log.ts";
import type { LogEvent } from "../../device-sim/log/log-event.ts";
import { readLog } from "../../device-sim/log/log-reader.ts";
import { SealGroup } from "../../device-sim/uplink/seal-group.ts";
import { collect } from "../support/rpc.ts";

const acked = (sequence: number): LogEvent => ({ event: "acked", device: "pump", spool: "01", sequence });

function logFile(): string {
  const directory = mkdtempSync(join(tmpdir(), "tidemark-log-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, "log.ndjson");
}

async function read(path: string): Promise<LogEvent[]> {
  return await collect(readLog(path));
}

describe("a delivery log", () => {
  it("is written once per turn of the event loop", async () => {
    const path = logFile();
    const log = new DeliveryLog(path);
    log.add(acked(1));
    log.add(acked(2));
    expect(readFileSync(path, "utf8")).toBe("");
    await new Promise((resolve) => setImmediate(resolve));
    expect(await read(path)).toEqual([acked(1), acked(2)]);
    log.close();
  });

  it("is appended to by a run that goes on, without the half line of the one before", async () => {
    const path = logFile();
    const first = new DeliveryLog(path);
    first.add(acked(1));
    first.close();
    appendFileSync(path, '{"event":"acked","dev');
    const second = new DeliveryLog(path);
    second.add(acked(2));
    second.close();
    expect(await read(path)).toEqual([acked(1), acked(2)]);
  });

  it("can be a half line only, and longer than a piece that is read at once", async () => {
    const path = logFile();
    writeFileSync(path, "x".repeat(200_000));
    const log = new DeliveryLog(path);
    log.add(acked(1));
    log.close();
    expect(await read(path)).toEqual([acked(1)]);
  });

  it("is read up to a last line that is cut off", async () => {
    const path = logFile();
    writeFileSync(path, `${JSON.stringify(acked(1))}\n{"event":"sea`);
    expect(await read(path)).toEqual([acked(1)]);
  });

  it("is refused when a line in its middle is damaged, or it is not there", async () => {
    const path = logFile();
    writeFileSync(path, `${JSON.stringify(acked(1))}\nnonsense\n${JSON.stringify(acked(2))}\n`);
    await expect(read(path)).rejects.toThrow(/:2 is not an event/);
    await expect(read(`${path}.none`)).rejects.toMatchObject({ reason: "UNUSABLE_FILE" });
  });
});

describe("a seal group", () => {
  it("keeps what one turn has sealed once, in the order of its keepers, and releases it then", async () => {
    const steps: string[] = [];
    const keeper = (name: string) => ({ commit: () => void steps.push(name) });
    const group = new SealGroup([keeper("disk"), keeper("log")]);
    for (const name of ["a", "b"]) {
      group.add(
        () => steps.push(name),
        () => steps.push("failed"),
      );
    }
    expect(steps).toEqual([]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(steps).toEqual(["disk", "log", "a", "b"]);
  });

  it("releases nothing that could not be kept", async () => {
    const steps: string[] = [];
    const full = {
      commit: () => {
        throw new Error("disk full");
      },
    };
    new SealGroup([full]).add(
      () => steps.push("released"),
      (error) => steps.push(String(error)),
    );
    await new Promise((resolve) => setImmediate(resolve));
    expect(steps).toEqual(["Error: disk full"]);
  });

  it("has nothing to wait for without a keeper", () => {
    const steps: string[] = [];
    new SealGroup().add(
      () => steps.push("released"),
      () => {},
    );
    expect(steps).toEqual(["released"]);
  });
});
