import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { serverOfFile } from "../support/server.ts";
import { checkout } from "../system/support/cli.ts";
import { pushBody } from "./support/http.ts";

const server = serverOfFile({}, { http: "127.0.0.1:0" });
const run = promisify(execFile);

/** @param protocol of those that the HTTP port has; gRPC has its own port, and `test/system/health.test.ts` */
async function curl(protocol: string, method: string, request: unknown): Promise<string> {
  const url = `http://${server().httpAddress}/${method}`;
  const schema = ["--schema", join(checkout, "proto")];
  const { stdout } = await run(join(checkout, "node_modules/.bin/buf"), [
    ...["curl", ...schema, "--protocol", protocol, "-d", JSON.stringify(request), url],
  ]);
  return stdout;
}

describe.each(["connect", "grpcweb"])("buf curl by %s", (protocol) => {
  it("pushes, and is counted once; and reads, also a stream", async () => {
    const deviceId = `by ${protocol}`;
    for (let i = 0; i < 2; i += 1) {
      const answer = await curl(protocol, "telemetry.v1.IngestService/PushBatch", pushBody(deviceId, 1, [1, 2]));
      expect(JSON.parse(answer)).toMatchObject({ registered: { ackedSequence: "1", samplesCounted: "2" } });
    }
    const device = await curl(protocol, "telemetry.v1.QueryService/GetDevice", { deviceId });
    expect(JSON.parse(device)).toMatchObject({ device: { samplesCounted: "2" } });
    const range = { selector: { deviceIds: [deviceId] }, from: "2026-01-15T00:00:00Z", to: "2026-01-16T00:00:00Z" };
    const windows = await curl(protocol, "telemetry.v1.QueryService/QueryRange", { ...range, tier: "10s" });
    expect(windows).toMatch(/"counts":\s*\[\s*2\s*\]/);
  });

  it("is told what is wrong", async () => {
    const refused = curl(protocol, "telemetry.v1.QueryService/GetDevice", { deviceId: "nobody" });
    await expect(refused).rejects.toMatchObject({ stderr: expect.stringContaining("not_found") });
  });
});
