import { durationMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { useSignal } from "@preact/signals";
import { MetricKind } from "../../../../proto/gen/telemetry/v1/metric_pb.js";
import type { GetDeviceResponse } from "../../../../proto/gen/telemetry/v1/query_service_pb.js";
import { metricsOf } from "../api/metrics.ts";
import { reasonText } from "../api/status-poll.ts";
import { usePoll } from "../api/use-poll.ts";
import { numberText, spanText, unitText } from "../chart/number-text.ts";
import { timeText } from "../chart/time-text.ts";
import { Connection } from "../parts/connection.tsx";
import { ExportButtons } from "../parts/export-buttons.tsx";
import { Labels } from "../parts/labels.tsx";
import { Problem } from "../parts/problem.tsx";
import { RangePicker } from "../parts/range-picker.tsx";
import { SeriesCharts } from "../parts/series-charts.tsx";
import { Tile } from "../parts/tile.tsx";
import { useServices } from "../services.ts";
import { pickKey } from "../state/pick.ts";

const devicePollMs = 2_000;
const metricsPollMs = 30_000;
/** Charts at once; a device may have thousands of metrics. */
const chartsPerPage = 50;

/** All of one device: what is known of it, and a chart for each of its metrics. */
export function DevicePage() {
  const { api, link } = useServices();
  const { deviceId } = link.state.value;
  const metrics = usePoll(deviceId, metricsPollMs, (signal) => metricsOf(api, deviceId, signal));
  const page = useSignal(0);
  const all = metrics.value.value ?? [];
  const shown = all.slice(page.value * chartsPerPage, (page.value + 1) * chartsPerPage);
  const picks = shown.map(({ name }) => ({ deviceId, metric: name }));
  const charts = shown.map(({ name, unit, kind }) => ({
    title: name,
    unit: unitText(unit, kind === MetricKind.COUNTER),
    lines: [{ key: pickKey({ deviceId, metric: name }), label: name }],
  }));

  return (
    <>
      <h1>{deviceId}</h1>
      <DeviceFigures deviceId={deviceId} />
      <div class="toolbar card">
        <RangePicker>
          <ExportButtons
            lines={picks.map((pick) => ({ key: pickKey(pick), source: pick.deviceId, metric: pick.metric }))}
          />
        </RangePicker>
      </div>
      <h2>Metrics</h2>
      <Problem of={metrics.problem} />
      {all.length > chartsPerPage && (
        <div class="pager">
          <button type="button" disabled={page.value === 0} onClick={() => (page.value -= 1)}>
            Previous
          </button>
          <span class="hint">
            {page.value * chartsPerPage + 1} to {page.value * chartsPerPage + shown.length} of {all.length}
          </span>
          <button
            type="button"
            disabled={(page.value + 1) * chartsPerPage >= all.length}
            onClick={() => (page.value += 1)}
          >
            Next
          </button>
        </div>
      )}
      <SeriesCharts picks={picks} charts={charts} />
    </>
  );
}

/** Asks by itself, so that an answer renders nothing of the charts. */
function DeviceFigures({ deviceId }: { readonly deviceId: string }) {
  const { api } = useServices();
  const { value, problem } = usePoll(deviceId, devicePollMs, (signal) => api.query.getDevice({ deviceId }, { signal }));
  return (
    <>
      <Problem of={problem} />
      {value.value !== undefined && <Figures of={value.value} />}
    </>
  );
}

function Figures({ of }: { readonly of: GetDeviceResponse }) {
  const { link } = useServices();
  const { zone } = link.state.value;
  const { device, lag, refused, gaps, series, sessions } = of;
  if (device === undefined) return null;
  const seen = device.lastSeenAt === undefined ? "never" : timeText(timestampMs(device.lastSeenAt), zone);
  const [seenDay, seenTime = ""] = seen.split(" ");
  return (
    <>
      {device.description !== "" && <p>{device.description}</p>}
      <Labels of={device.labels} />
      <dl class="tiles">
        <Tile name="Connection" hint={`${numberText(sessions)} ${sessions === 1 ? "session" : "sessions"}`}>
          <Connection of={device.connection} />
        </Tile>
        <Tile name="Last seen" hint={seenTime === "" ? "" : seenDay}>
          {seenTime === "" ? seenDay : seenTime}
        </Tile>
        <Tile name="Lag" hint="behind the server">
          {lag === undefined ? "none" : spanText(durationMs(lag))}
        </Tile>
        <Tile name="Acked sequence" hint="of its latest batch">
          {numberText(Number(device.ackedSequence))}
        </Tile>
        <Tile name="Samples counted" hint="of all time">
          {numberText(Number(device.samplesCounted))}
        </Tile>
        <Tile
          name="Samples refused"
          hint={
            refused.map(({ reason, samples }) => `${reasonText(reason)} ${numberText(Number(samples))}`).join(", ") ||
            "for no reason so far"
          }
        >
          {numberText(Number(device.samplesRefused))}
        </Tile>
        <Tile name="Batches lost" hint={`in ${numberText(gaps.length)} ${gaps.length === 1 ? "gap" : "gaps"}`}>
          {numberText(Number(device.batchesLost))}
        </Tile>
        <Tile name="Series" hint="one for each metric">
          {numberText(series)}
        </Tile>
      </dl>
    </>
  );
}
