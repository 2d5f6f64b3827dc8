import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { formatDuration } from "../../../../lib/base/duration.ts";
import { errorMessage } from "../../../../lib/base/errors.ts";
import { useServices } from "../services.ts";
import { rangePresets, resolveRange } from "../state/time-range.ts";
import { bandNames } from "../state/url-state.ts";
import { Options } from "./options.tsx";
import { PauseButton } from "./pause-button.tsx";
import { Thresholds } from "./thresholds.tsx";

/**
 * Which time is shown, how wide its windows are, and how its lines are drawn.
 * @param children what else is done with what is shown
 */
export function RangePicker({ children }: { readonly children: ComponentChildren }) {
  const { link, clock, feed } = useServices();
  const problem = useSignal("");
  const { range, band, tier } = link.state.value;

  function onSubmit(event: SubmitEvent): void {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const written = { from: String(form.get("from")).trim(), to: String(form.get("to")).trim() };
    try {
      resolveRange(written, clock.nowMs());
      problem.value = "";
      link.go({ range: written });
    } catch (error) {
      problem.value = errorMessage(error);
    }
  }

  return (
    <section class="range" aria-label="Time range">
      <div class="presets" role="group" aria-label="Usual ranges">
        {rangePresets.map((from) => (
          <button
            key={from}
            type="button"
            aria-pressed={range.from === from && range.to === "now"}
            onClick={() => link.go({ range: { from, to: "now" } })}
          >
            {from.slice("now-".length)}
          </button>
        ))}
      </div>
      <PauseButton />
      {feed.tierMs.value > 0 && (
        <p class="tier hint">
          Windows of <output>{formatDuration(feed.tierMs.value)}</output>
          {tier === "" ? ", as the server chose" : ""}. Dashes are provisional.
        </p>
      )}
      <Options name="Range, band and thresholds">
        {/* Made anew with another range, so that the fields have what is shown. */}
        <form class="fields" onSubmit={onSubmit} key={`${range.from} ${range.to}`}>
          <label>
            From{" "}
            <input
              name="from"
              size={12}
              defaultValue={range.from}
              spellcheck={false}
              aria-describedby="range-problem"
            />
          </label>
          <label>
            To <input name="to" size={8} defaultValue={range.to} spellcheck={false} aria-describedby="range-problem" />
          </label>
          <button type="submit">Show</button>
        </form>
        <label>
          Band{" "}
          <select
            value={band}
            onChange={({ currentTarget }) =>
              link.replace({ band: bandNames.find((name) => name === currentTarget.value) ?? "min-max" })
            }
          >
            {bandNames.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <Thresholds />
        {children}
      </Options>
      <p id="range-problem" class="problem" role="alert">
        {problem}
      </p>
    </section>
  );
}
