import { useComputed, useSignal } from "@preact/signals";
import { usePoll } from "../api/use-poll.ts";
import { useServices } from "../services.ts";
import { isName, type Pick, pickKey, picksMax } from "../state/pick.ts";
import { Options } from "./options.tsx";
import { Problem } from "./problem.tsx";

const listPollMs = 30_000;
const listMax = 200;

/** Chooses series by the beginnings of their names, and labels to group by. */
export function SeriesPicker() {
  const { api, link } = useServices();
  const device = useSignal("");
  const metric = useSignal("");
  const { picks, groupBy, where, split } = link.state.value;
  const prefixes = (text: string) => (isName(text) ? [text] : []);
  const of = JSON.stringify([device.value, metric.value]);
  const found = usePoll(of, listPollMs, async (signal): Promise<readonly Pick[]> => {
    const selector = { deviceIdPrefixes: prefixes(device.value), metricNamePrefixes: prefixes(metric.value) };
    const { metrics } = await api.query.listMetrics({ selector, pageSize: listMax }, { signal });
    return metrics.map(({ deviceId, name }) => ({ deviceId, metric: name }));
  });
  const chosen = new Set(picks.map(pickKey));
  const rest = useComputed(() => found.value.value ?? []).value.filter((pick) => !chosen.has(pickKey(pick)));
  const words = (text: string) => text.split(/[\s,]+/).filter((word) => word !== "");

  return (
    <section class="picker" aria-label="Series">
      <Options name="Add series">
        <label>
          Device begins with{" "}
          <input
            size={9}
            value={device.value}
            maxLength={256}
            onInput={({ currentTarget }) => (device.value = currentTarget.value)}
          />
        </label>
        <label>
          Metric begins with{" "}
          <input
            size={9}
            value={metric.value}
            maxLength={256}
            onInput={({ currentTarget }) => (metric.value = currentTarget.value)}
          />
        </label>
        <label>
          Add a series{" "}
          <select
            value=""
            disabled={picks.length >= picksMax}
            onChange={({ currentTarget }) => {
              const pick = rest.find((each) => pickKey(each) === currentTarget.value);
              if (pick !== undefined) link.go({ picks: [...picks, pick] });
              currentTarget.value = "";
            }}
          >
            <option value="">{rest.length === listMax ? `the first ${listMax}` : `${rest.length} found`}</option>
            {rest.map((pick) => (
              <option key={pickKey(pick)} value={pickKey(pick)}>
                {pick.deviceId} / {pick.metric}
              </option>
            ))}
          </select>
        </label>
        <label>
          Group by{" "}
          <input
            key={groupBy.join(" ")}
            defaultValue={groupBy.join(" ")}
            size={9}
            placeholder="such as site"
            onChange={({ currentTarget }) => link.go({ groupBy: words(currentTarget.value).slice(0, 8) })}
          />
        </label>
        {groupBy.length > 0 && (
          <label>
            Of devices with{" "}
            <input
              key={where.join(" ")}
              defaultValue={where.join(" ")}
              placeholder="model=x200"
              onChange={({ currentTarget }) =>
                link.go({
                  where: words(currentTarget.value)
                    .filter((word) => /^[^=]{1,63}=/.test(word))
                    .slice(0, 8),
                })
              }
            />
          </label>
        )}
        <label>
          <input
            type="checkbox"
            checked={split}
            onChange={({ currentTarget }) => link.replace({ split: currentTarget.checked })}
          />{" "}
          A chart each
        </label>
      </Options>
      <Problem of={found.problem} />
      <ul class="chips" aria-label="Chosen series">
        {picks.map((pick) => (
          <li key={pickKey(pick)}>
            {groupBy.length > 0 ? pick.metric : `${pick.deviceId} / ${pick.metric}`}{" "}
            <button
              type="button"
              aria-label={`Take away ${pick.deviceId} ${pick.metric}`}
              onClick={() => link.go({ picks: picks.filter((each) => each !== pick) })}
            >
              &times;
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
