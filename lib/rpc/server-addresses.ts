import { type ChannelOptions, experimental } from "@grpc/grpc-js";
import { noRetries } from "./service-config.ts";

/**
 * Where the servers of a channel are, for grpc-js: a target of a scheme of our own, because its own take several
 * addresses, or names, and not both.
 */
const scheme = "tidemark";

let channels = 0;

/**
 * A target that no other channel has: clients with equal targets and options share a connection, and one channel is one
 * connection here.
 * @param addresses `HOST:PORT[,HOST:PORT]`
 */
export function targetOf(addresses: string): string {
  channels += 1;
  return `${scheme}://${channels}/${addresses}`;
}

/** Each server is one endpoint, however many addresses its name has. Names are looked up as grpc-js does. */
class AddressResolver implements experimental.Resolver {
  readonly #resolvers: readonly experimental.Resolver[];

  constructor({ path }: experimental.GrpcUri, listener: experimental.ResolverListener, options: ChannelOptions) {
    const addresses = path.split(",");
    const found: (experimental.StatusOr<experimental.Endpoint[]> | undefined)[] = addresses.map(() => undefined);
    const tell = () => {
      const known = found.filter((each) => each !== undefined);
      const endpoints = known
        .filter((each) => each.ok)
        .map(({ value }) => ({ addresses: value.flatMap((endpoint) => endpoint.addresses) }));
      // A name that is not known, or not yet, holds up nobody.
      if (endpoints.length === 0 && known.length < addresses.length) return true;
      const told = endpoints.length > 0 ? experimental.statusOrFromValue(endpoints) : known[0];
      return listener(told, connectionOptions, null, "");
    };
    this.#resolvers = addresses.map((address, i) =>
      experimental.createResolver(
        { scheme: "dns", path: address },
        (endpoints) => {
          found[i] = endpoints;
          return tell();
        },
        options,
      ),
    );
  }

  updateResolution(): void {
    for (const resolver of this.#resolvers) resolver.updateResolution();
  }

  destroy(): void {
    for (const resolver of this.#resolvers) resolver.destroy();
  }

  /** The name that is asked for. Connections to all servers of a channel have the same. */
  static getDefaultAuthority({ path }: experimental.GrpcUri): string {
    return path.split(",")[0];
  }
}

/**
 * In place of those of a client, for its connections: a connection knows nothing of retries, and the clients of a channel
 * share theirs when all its options are equal.
 */
const connectionOptions = { ...noRetries, "grpc.service_config": "" };

experimental.registerResolver(scheme, AddressResolver);

/** Why no server can be reached, from what a failed call is told. */
export function whyUnreachable(details: string): string {
  if (details.startsWith("Name resolution failed")) return "its name is not known";
  return /.*Last error: (?:Error: )?(.*?)\s*(?:\(\d{4}-.*)?\. Resolution/s.exec(details)?.[1] ?? "no answer";
}
