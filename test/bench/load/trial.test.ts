import { describe, expect, it } from "vitest";
import { defaultQuotas } from "../../../ingest/quotas.ts";
import { runTrial } from "../../../bench/load/trial.ts";
import { startServer } from "../../support/server.ts";
import { Heard, planOf } from "./support/plan.ts";

const quotas = { ...defaultQuotas, samplesPerSecondMax: Number.POSITIVE_INFINITY };

describe("a trial", () => {
  it.each(["grpc-push", "grpc-upload", "grpc-stream"] as const)("%s", async (way) => {
    const server = await startServer(quotas);
    const heard = new Heard();
    const report = await runTrial(planOf({ grpc: server.address }, { way }), heard.say);
    console.log(report);
    expect(report).toMatchObject({ lost: 0, duplicated: 0, seriesWrong: 0 });
    expect(heard.kinds).toEqual(["measuring", "measured"]);
  });
});
