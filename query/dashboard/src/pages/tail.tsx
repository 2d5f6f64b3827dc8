import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { Window } from "../../../../lib/wire/frame-reader.ts";
import { runSubscription } from "../api/live-subscription.ts";
import { numberText } from "../chart/number-text.ts";
import { timeText } from "../chart/time-text.ts";
import { PauseButton } from "../parts/pause-button.tsx";
import { useServices } from "../services.ts";
import { LiveBuffer } from "../state/live-buffer.ts";
import { isName } from "../state/pick.ts";
import { labelsOf } from "../state/url-state.ts";

const rowsMax = 500;
const showMs = 500;

interface Row {
  /** Counts up: what a row on the screen is known by. */
  readonly number: number;
  readonly window: Window;
}

/** What changes in the fleet, as it comes. Paused, it goes on behind what is shown. */
export function Tail() {
  const services = useServices();
  const { link, pause, clock, api } = services;
  const { search, where, zone } = link.state.value;
  const buffer = useMemo(() => new LiveBuffer<Row>(rowsMax), []);
  const shown = useSignal<readonly Row[]>([]);
  const waiting = useSignal("");
  const token = api.token.value;
  const labels = JSON.stringify(labelsOf(where));

  useSignalEffect(() => {
    if (pause.sinceMs.value === undefined) buffer.resume();
    else buffer.pause();
  });
  // With another token it begins again.
  useEffect(() => {
    const ending = new AbortController();
    let number = 0;
    buffer.clear();
    const selector = { deviceIdPrefixes: isName(search) ? [search] : [], labels: JSON.parse(labels) };
    void runSubscription({
      ...services,
      selector,
      tierMs: undefined,
      snapshotFromMs: undefined,
      clock,
      signal: ending.signal,
      onWindows: (windows) => buffer.push(windows.map((window) => ({ number: ++number, window }))),
      onState: (state) => {
        if (!ending.signal.aborted) services.tailConnection.value = state;
      },
    });
    const timer = setInterval(() => {
      if (shown.value !== buffer.shown) shown.value = buffer.shown;
      waiting.value = buffer.isPaused
        ? `Paused: ${buffer.waiting} rows wait, ${buffer.passed} older ones were let go.`
        : "";
    }, showMs);
    return () => {
      ending.abort();
      clearInterval(timer);
      services.tailConnection.value = { kind: "idle" };
    };
  }, [services, buffer, search, labels, token]);

  return (
    <>
      <h1>Live tail</h1>
      <div class="fields" role="search">
        <label>
          Device begins with{" "}
          <input
            type="search"
            size={12}
            defaultValue={search}
            maxLength={256}
            onChange={({ currentTarget }) => link.replace({ search: currentTarget.value })}
          />
        </label>
        <PauseButton />
        <output aria-live="polite">{waiting}</output>
      </div>
      <div class="table-scroll card" role="region" aria-label="Windows that changed, the latest first" tabIndex={0}>
        <table>
          <thead>
            <tr>
              {["Window", "Device", "Metric", "State"].map((text) => (
                <th key={text} scope="col">
                  {text}
                </th>
              ))}
              {["Count", "Mean", "Min", "Max", "Last"].map((text) => (
                <th key={text} scope="col" class="number">
                  {text}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.value
              .slice(-100)
              .reverse()
              .map(({ number, window }) => (
                <tr key={number} class={window.state}>
                  <td>{timeText(window.startMs, zone)}</td>
                  <td>
                    <a href={link.href({ page: "device", deviceId: window.deviceId })}>{window.deviceId}</a>
                  </td>
                  <td>{window.metric}</td>
                  <td>
                    <span class="state">{window.state}</span>
                  </td>
                  {[window.count, window.sum / window.count, window.min, window.max, window.last].map((value, i) => (
                    <td key={i} class="number">
                      {numberText(value)}
                    </td>
                  ))}
                </tr>
              ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
