import { type Client, Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { type Signal, signal } from "@preact/signals";
import { AdminService } from "../../../../proto/gen/telemetry/v1/admin_service_pb.js";
import { QueryService } from "../../../../proto/gen/telemetry/v1/query_service_pb.js";

/** A unary call that takes longer has failed. */
const callMsMax = 10_000;

export interface Api {
  readonly query: Client<typeof QueryService>;
  readonly admin: Client<typeof AdminService>;
  /** Whether a call was refused for its credentials. */
  readonly needsToken: Signal<boolean>;
  /** In memory only: closing the tab forgets it. */
  readonly token: Signal<string>;
}

/** @param baseUrl of the server that the page came from */
export function openApi(baseUrl: string): Api {
  const token = signal("");
  const needsToken = signal(false);
  const credentials: Interceptor = (next) => async (request) => {
    const sent = token.peek();
    if (sent !== "") request.header.set("authorization", `Bearer ${sent}`);
    try {
      return await next(request);
    } catch (error) {
      // One that was sent before another token was entered says nothing of that one.
      if (ConnectError.from(error).code === Code.Unauthenticated && token.peek() === sent) needsToken.value = true;
      throw error;
    }
  };
  // Without cookies, and without following anybody elsewhere.
  const send: typeof fetch = (input, init) => fetch(input, { ...init, credentials: "omit", redirect: "error" });
  const transport = createConnectTransport({
    baseUrl,
    useBinaryFormat: true,
    interceptors: [credentials],
    defaultTimeoutMs: callMsMax,
    fetch: send,
  });
  return {
    query: createClient(QueryService, transport),
    admin: createClient(AdminService, transport),
    token,
    needsToken,
  };
}

/** What a call that failed says to people. */
export function errorText(error: unknown): string {
  return ConnectError.from(error).rawMessage;
}
