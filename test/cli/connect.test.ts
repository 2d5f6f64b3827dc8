import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { connectTo } from "../../cli/connect.ts";
import { silentLog } from "../../lib/base/log.ts";
import { makeAuthority, makeClientPair, makeServerPair } from "../../lib/rpc/certificates.ts";
import { RpcServer } from "../../lib/rpc/server.ts";
import type { ClientTls, KeyPair, ServerTls } from "../../lib/rpc/tls.ts";

let authority: KeyPair;
let server: KeyPair;

beforeAll(async () => {
  authority = await makeAuthority("test", 1);
  server = await makeServerPair(authority, ["127.0.0.1"], 1);
});

async function failureOf(served: ServerTls | undefined, tls: ClientTls | undefined): Promise<unknown> {
  const rpc = new RpcServer(silentLog);
  onTestFinished(() => rpc.close(0));
  const { address } = await rpc.listen("127.0.0.1:0", { tls: served });
  return await connectTo({ address, options: { tls } }, 300).then(
    (channel) => channel.close(),
    (error: unknown) => error,
  );
}

describe("a server that cannot be reached", () => {
  it("is told with the reason, and with what may help", async () => {
    const mutual = { ...server, clientCa: authority.cert };
    const other = (await makeAuthority("other", 1)).cert;
    expect(String(await failureOf(server, undefined))).toMatch(
      /no server answers at 127.* within 0.3 s \(.+\); .* or give its authority with --ca where it is encrypted$/,
    );
    expect(String(await failureOf(server, {}))).toMatch(/certificate.*\); .* or give its authority with --ca$/);
    expect(String(await failureOf(mutual, { ca: authority.cert }))).toMatch(/show a certificate with --cert and --key/);
    const pair = await makeClientPair(authority, "gateway-7", 1);
    expect(String(await failureOf(mutual, { ca: other, pair }))).toMatch(/check --ca, --cert and --key$/);
    expect(await failureOf(mutual, { ca: authority.cert, pair })).toBeUndefined();
  });
});
