import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { DescService } from "@bufbuild/protobuf";
import {
  type Metadata,
  ResponderBuilder,
  ServerInterceptingCall,
  type ServerInterceptor,
  ServerListenerBuilder,
} from "@grpc/grpc-js";
import { type Access, type Credentials, checkScope, type Identity, noLongerCurrent } from "../access/access.ts";
import type { Principal, Scope } from "../access/principal.ts";
import type { Log } from "../base/log.ts";
import { methodsOf } from "./binding.ts";
import { toStatus } from "./status.ts";

/** What a method needs; `open`: nothing, whoever calls. */
export type MethodScope = Scope | "open";

/** Which scope each method of a service needs: a method without a row does not compile. */
export type MethodScopes<S extends DescService> = { readonly [K in keyof S["method"]]: MethodScope };

/** For a service whose methods all need the same. */
export function everyMethod<S extends DescService>(service: S, scope: MethodScope): MethodScopes<S> {
  return Object.fromEntries(methodsOf(service).map(([name]) => [name, scope])) as MethodScopes<S>;
}

/** A call that goes on for as long as who makes it is who he was. */
interface OpenCall {
  readonly identity: Identity;
  readonly end: (error: unknown) => void;
}

/** Lets calls in by who makes them. */
export class Gate {
  readonly #access: Access;
  readonly #scopes = new Map<string, MethodScope>();
  readonly #open = new Set<OpenCall>();

  constructor(access: Access) {
    this.#access = access;
  }

  /** @param path of a method, as it is called */
  setScope(path: string, scope: MethodScope): void {
    this.#scopes.set(path, scope);
  }

  /** @throws TelemetryError when the call is not let in; a promise where it takes time to tell */
  admit(path: string, credentials: Credentials): Identity | Promise<Identity> {
    const scope = this.#scopes.get(path);
    if (scope === undefined) throw new Error(`${path} has no scope`);
    // Who asks for that with a wrong token is answered too: a probe need not know tokens.
    if (scope === "open") return unasked;
    const identity = this.#access.identify(credentials);
    return identity instanceof Promise ? identity.then((each) => allowed(each, scope)) : allowed(identity, scope);
  }

  /**
   * A call that was let in goes on for a while.
   * @param end called when it must not any more
   * @returns to be called when it is over
   */
  enter(identity: Identity, end: (error: unknown) => void): () => void {
    const call = { identity, end };
    this.#open.add(call);
    return () => void this.#open.delete(call);
  }

  /** Ends the calls of those who are not let in any more. */
  recheck(): void {
    for (const call of this.#open) {
      if (call.identity.isCurrent()) continue;
      this.#open.delete(call);
      call.end(noLongerCurrent(call.identity.principal));
    }
  }

  /** For the calls that grpc-js carries: before anything of their messages is read. */
  interceptor(log: Log): ServerInterceptor {
    return ({ path, requestStream, responseStream }, call) => {
      let leave = () => {};
      let isOver = false;
      const over = () => {
        isOver = true;
        leave();
      };
      const end = (error: unknown) => {
        over();
        call.sendStatus(toStatus(error, log));
      };
      const credentials = (metadata: Metadata): Credentials => {
        const [authorization] = metadata.get("authorization");
        return {
          authorization: authorization?.toString(),
          certificate: commonName(call.getAuthContext().sslPeerCertificate?.subject),
        };
      };
      const onReceiveMetadata = (metadata: Metadata, next: (metadata: Metadata) => void) => {
        const letIn = (identity: Identity) => {
          // Its client has gone while a password was checked.
          if (isOver) return;
          if (requestStream || responseStream) leave = this.enter(identity, end);
          metadata.setOpaque(principalKey, identity.principal);
          next(metadata);
        };
        try {
          const identity = this.admit(path, credentials(metadata));
          if (identity instanceof Promise) identity.then(letIn).catch(end);
          else letIn(identity);
        } catch (error) {
          end(error);
        }
      };
      const listener = new ServerListenerBuilder().withOnReceiveMetadata(onReceiveMetadata).withOnCancel(over).build();
      const responder = new ResponderBuilder()
        .withStart((next) => next(listener))
        .withSendStatus((status, next) => {
          over();
          next(status);
        })
        .build();
      return new ServerInterceptingCall(call, responder);
    };
  }
}

/** Of a call that anybody may make. */
const unasked: Identity = {
  principal: { name: "anyone", kind: "anyone", scopes: [], devices: [] },
  isCurrent: () => true,
};

function allowed(identity: Identity, scope: Scope): Identity {
  checkScope(identity.principal, scope);
  return identity;
}

const principalKey = "tidemark.principal";

/** Who makes a call that grpc-js carries. */
export function principalOf(metadata: Metadata): Principal {
  return metadata.getOpaque(principalKey) as Principal;
}

/** The name of the certificate that a connection has shown, where it was found valid. */
export function certificateOf(socket: Socket): string | undefined {
  const isValid = socket instanceof TLSSocket && socket.authorized;
  return isValid ? commonName(socket.getPeerCertificate().subject) : undefined;
}

/** @returns undefined when there is none, or more than one */
function commonName(subject: { readonly CN?: unknown } | undefined): string | undefined {
  return typeof subject?.CN === "string" ? subject.CN : undefined;
}
