/** What a caller may use, by service: `methodScopes` in the services' own files says which method needs which. */
export const scopes = ["ingest", "query", "admin"] as const;
export type Scope = (typeof scopes)[number];

/** Who calls. */
export interface Principal {
  /** For people and logs: unique among those of its kind. */
  readonly name: string;
  readonly kind: "anyone" | "token" | "user" | "certificate";
  readonly scopes: readonly Scope[];
  /** The devices that it may write. */
  readonly devices: DevicePatterns;
}

/** Ids of devices; one that ends with `*` stands for all that begin so. */
export type DevicePatterns = readonly string[];

/** Everyone, where nobody has to say who he is. */
export const anyone: Principal = { name: "anyone", kind: "anyone", scopes, devices: ["*"] };

export function mayWrite(patterns: DevicePatterns, deviceId: string): boolean {
  return patterns.some((pattern) =>
    pattern.endsWith("*") ? deviceId.startsWith(pattern.slice(0, -1)) : deviceId === pattern,
  );
}
