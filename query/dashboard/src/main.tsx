import { computed, effect, signal } from "@preact/signals";
import { render } from "preact";
import { systemClock } from "../../../lib/base/clock.ts";
import { Prng } from "../../../lib/base/prng.ts";
import { Awake } from "./api/awake.ts";
import { SeriesFeed } from "./api/series-feed.ts";
import { StatusPoll } from "./api/status-poll.ts";
import { openApi } from "./api/transport.ts";
import { App } from "./app.tsx";
import { FrameLoop } from "./chart/frame-loop.ts";
import { Pause, type Services, ServicesProvider } from "./services.ts";
import { Link } from "./state/link.ts";
import { SeriesStore } from "./state/series-store.ts";
import { Settings } from "./state/settings.ts";

/** A browser that forbids it throws when it is only looked at. */
function storageOf(page: Window): Storage | undefined {
  try {
    return page.localStorage;
  } catch {
    return undefined;
  }
}

function compose(): Services {
  const clock = systemClock;
  const prng = new Prng(crypto.getRandomValues(new Uint32Array(1))[0], "dashboard");
  const api = openApi(location.origin);
  const awake = new Awake(document);
  const store = new SeriesStore();
  const settings = new Settings(storageOf(window));
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const isSystemDark = signal(prefersDark.matches);
  prefersDark.addEventListener("change", ({ matches }) => (isSystemDark.value = matches));
  const isDark = computed(() =>
    settings.theme.value === "system" ? isSystemDark.value : settings.theme.value === "dark",
  );
  effect(() => {
    document.documentElement.dataset["theme"] = isDark.value ? "dark" : "light";
  });
  return {
    api,
    clock,
    prng,
    awake,
    store,
    feed: new SeriesFeed({ api, store, clock, prng, awake }),
    tailConnection: signal({ kind: "idle" }),
    status: new StatusPoll(api, clock, awake),
    loop: new FrameLoop(),
    settings,
    link: new Link(window, clock),
    isDark,
    pause: new Pause(clock),
  };
}

const place = document.getElementById("app");
if (place === null) throw new Error("index.html has a place for the page");
render(
  <ServicesProvider value={compose()}>
    <App />
  </ServicesProvider>,
  place,
);
