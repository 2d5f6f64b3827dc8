import { usePoll } from "../api/use-poll.ts";
import { useServices } from "../services.ts";
import { pickKey } from "../state/pick.ts";
import { Problem } from "./problem.tsx";

const listPollMs = 30_000;
const suggestionsMax = 6;

/** Where to begin when nothing is chosen: the first series that there are. */
export function Suggestions() {
  const { api, link } = useServices();
  const found = usePoll("first", listPollMs, async (signal) => {
    const { metrics } = await api.query.listMetrics({ pageSize: suggestionsMax }, { signal });
    return metrics.map(({ deviceId, name }) => ({ deviceId, metric: name }));
  });
  const picks = found.value.value;
  return (
    <div class="empty card">
      <h3>Nothing is chosen yet</h3>
      <p>
        {picks?.length === 0
          ? "No device has sent anything so far."
          : "Add a series above, or begin with one of these."}
      </p>
      <Problem of={found.problem} />
      <div class="fields">
        {picks?.map((pick) => (
          <button key={pickKey(pick)} type="button" onClick={() => link.go({ picks: [pick] })}>
            {pick.deviceId} / {pick.metric}
          </button>
        ))}
      </div>
    </div>
  );
}
