/** The lines of a delivery log: one JSON object each. */

/** Samples that the server has refused, of one batch and for one reason. */
export interface RefusedEvent {
  readonly event: "refused";
  readonly device: string;
  /** Spool id, hexadecimal. */
  readonly spool: string;
  readonly sequence: number;
  /** Name of the `RefusalReason`. */
  readonly reason: string;
  readonly samples: number;
  /** Whether nothing of the batch was counted. */
  readonly whole: boolean;
}

/** A gap is about to be sent. A later one that begins inside it shows that it was not taken. */
export interface GapEvent {
  readonly event: "gap";
  readonly device: string;
  readonly spool: string;
  readonly first: number;
  readonly last: number;
  /** 0: not known. */
  readonly samples: number;
  /** Name of the `GapReason`. */
  readonly reason: string;
}

export interface SealedEvent {
  readonly event: "sealed";
  readonly device: string;
  readonly spool: string;
  readonly sequence: number;
  readonly samples: number;
  /** The encoded batch, base64. */
  readonly bytes: string;
}

export type LogEvent =
  | {
      /** A device of a run, before anything else of it. */
      readonly event: "device";
      readonly device: string;
      readonly spool: string;
      /** Names by metric handle. */
      readonly metrics: Readonly<Record<string, string>>;
    }
  | SealedEvent
  | {
      /** An ack that has come: cumulative. */
      readonly event: "acked";
      readonly device: string;
      readonly spool: string;
      readonly sequence: number;
    }
  | RefusedEvent
  | GapEvent;
