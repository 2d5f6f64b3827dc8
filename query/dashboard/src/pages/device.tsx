import { durationMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { useSignal } from "@preact/signals";
import type { GetDeviceResponse } from "../../../../proto/gen/telemetry/v1/query_service_pb.js";
import { metricsOf } from "../api/metrics.ts";
import { reasonText } from "../api/status-poll.ts";
import { usePoll } from "../api/use-poll.ts";
import { numberText, spanText } from "../chart/number-text.ts";
import { timeText } from "../chart/time-text.ts";
import { deviceConnectionText } from "../parts/connection-text.ts";
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
  const charts = shown.map(({ name, unit }) => ({
    title: unit === "" ? name : `${name} (${unit})`,
    lines: [{ key: pickKey({ deviceId, metric: name }), label: name }],
  }));

  return (
    <>
      <h1>{deviceId}</h1>
      <DeviceFigures deviceId={deviceId} />
      <RangePicker />
      <ExportButtons
        lines={picks.map((pick) => ({ key: pickKey(pick), source: pick.deviceId, metric: pick.metric }))}
      />
      <h2>Metrics</h2>
      <Problem of={metrics.problem} />
      {all.length > chartsPerPage && (
        <div class="pager">
          <button type="button" disabled={page.value === 0} onClick={() => (page.value -= 1)}>
            Before
          </button>
          <span>
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
  return (
    <>
      {device.description !== "" && <p>{device.description}</p>}
      <Labels of={device.labels} />
      <dl class="tiles">
        <Tile name="Connection">{deviceConnectionText(device.connection)}</Tile>
        <Tile name="Last seen">{seen}</Tile>
        <Tile name="Lag" hint="of its samples behind the server's clock">
          {lag === undefined ? "none" : spanText(durationMs(lag))}
        </Tile>
        <Tile name="Acked sequence">{numberText(Number(device.ackedSequence))}</Tile>
        <Tile name="Samples counted">{numberText(Number(device.samplesCounted))}</Tile>
        <Tile
          name="Samples refused"
          hint={refused.map(({ reason, samples }) => `${reasonText(reason)} ${numberText(Number(samples))}`).join(", ")}
        >
          {numberText(Number(device.samplesRefused))}
        </Tile>
        <Tile name="Batches lost" hint={`in ${gaps.length} gaps that it recorded`}>
          {numberText(Number(device.batchesLost))}
        </Tile>
        <Tile name="Series">{numberText(series)}</Tile>
        <Tile name="Sessions">{numberText(sessions)}</Tile>
      </dl>
    </>
  );
}
