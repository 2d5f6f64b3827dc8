import type { IncomingMessage, ServerResponse } from "node:http";
import type { Credentials } from "../access/access.ts";
import { certificateOf } from "../rpc/gate.ts";

export interface HttpAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string | Uint8Array;
  /** Further ones, over those that every answer has. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** One request, and its answer. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly method: string;
  /** As it was sent: percent-encoded, without the query. */
  readonly path: string;
  /** As it was sent, without the question mark. */
  readonly query: string;

  constructor(request: IncomingMessage, response: ServerResponse) {
    const { method = "", url: target = "" } = request;
    // With the server's own address before it, as to a proxy: RFC 9112 3.2.2.
    const url = target.startsWith("/") ? target : target.replace(/^https?:\/\/[^/?]*(?=\/)/i, "");
    const mark = url.indexOf("?");
    this.request = request;
    this.response = response;
    this.method = method;
    this.path = mark === -1 ? url : url.slice(0, mark);
    this.query = mark === -1 ? "" : url.slice(mark + 1);
  }

  /** Of a header that counts once. */
  header(name: string): string | undefined {
    const value = this.request.headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  get credentials(): Credentials {
    const { headers, socket } = this.request;
    return { authorization: headers.authorization, certificate: certificateOf(socket) };
  }

  /** `ADDRESS:PORT` of the client. */
  get peer(): string {
    const { remoteAddress, remotePort } = this.request.socket;
    return `${remoteAddress}:${remotePort}`;
  }

  /** The answer was sent whole, or its client has gone. */
  get isOver(): boolean {
    return this.response.destroyed || this.response.writableEnded;
  }

  /** Begins an answer whose length is not known. */
  begin(status: number, contentType: string, headers: Readonly<Record<string, string>> = {}): void {
    this.response.writeHead(status, { "content-type": contentType, ...everyAnswer, ...headers });
  }

  send({ status, contentType, body, headers = {} }: HttpAnswer): void {
    if (this.isOver) return;
    // What is left of a request nobody reads holds up the next one of the connection.
    this.request.resume();
    this.begin(status, contentType, { "content-length": String(Buffer.byteLength(body)), ...headers });
    this.response.end(this.method === "HEAD" ? undefined : body);
  }

  /** Without a body. */
  sendEmpty(status: number, headers: Readonly<Record<string, string>>): void {
    if (this.isOver) return;
    this.request.resume();
    this.response.writeHead(status, { ...everyAnswer, ...headers });
    this.response.end();
  }
}

/** Answers are of one moment, and are what they say they are. */
export const everyAnswer = { "cache-control": "no-store", "x-content-type-options": "nosniff" } as const;
