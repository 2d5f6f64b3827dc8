import { type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Clock } from "../../../lib/base/clock.ts";
import type { Prng } from "../../../lib/base/prng.ts";
import type { Awake } from "./api/awake.ts";
import type { ConnectionState } from "./api/resume.ts";
import type { SeriesFeed } from "./api/series-feed.ts";
import type { StatusPoll } from "./api/status-poll.ts";
import type { Api } from "./api/transport.ts";
import type { FrameLoop } from "./chart/frame-loop.ts";
import type { Link } from "./state/link.ts";
import type { SeriesStore } from "./state/series-store.ts";
import type { Settings } from "./state/settings.ts";

/** What the whole page shares. */
export interface Services {
  readonly api: Api;
  readonly clock: Clock;
  readonly prng: Prng;
  readonly awake: Awake;
  readonly store: SeriesStore;
  readonly feed: SeriesFeed;
  /** Of the subscription that the live tail has for itself. */
  readonly tailConnection: Signal<ConnectionState>;
  readonly status: StatusPoll;
  readonly loop: FrameLoop;
  readonly settings: Settings;
  readonly link: Link;
  readonly isDark: ReadonlySignal<boolean>;
  readonly pause: Pause;
}

/** Whether what is shown stands still, and since when. What comes is kept meanwhile. */
export class Pause {
  readonly sinceMs: Signal<number | undefined> = signal(undefined);
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  toggle(): void {
    this.sinceMs.value = this.sinceMs.peek() === undefined ? this.#clock.nowMs() : undefined;
  }

  /** The time that charts take for now. */
  nowMs(): number {
    return this.sinceMs.peek() ?? this.#clock.nowMs();
  }
}

const context = createContext<Services | undefined>(undefined);
export const ServicesProvider = context.Provider;

export function useServices(): Services {
  const services = useContext(context);
  if (services === undefined) throw new Error("the page stands in a ServicesProvider");
  return services;
}
