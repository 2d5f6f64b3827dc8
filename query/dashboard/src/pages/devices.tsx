import { durationMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { useSignal } from "@preact/signals";
import type { Api } from "../api/transport.ts";
import { usePoll } from "../api/use-poll.ts";
import { spanText } from "../chart/number-text.ts";
import { deviceConnectionText } from "../parts/connection-text.ts";
import { Labels } from "../parts/labels.tsx";
import { Problem } from "../parts/problem.tsx";
import { useServices } from "../services.ts";
import { labelsOf } from "../state/url-state.ts";
import type { Device } from "../../../../proto/gen/telemetry/v1/query_service_pb.js";

/** The lag of each row is a call of its own. */
const pageSize = 25;
const pollMs = 5_000;

interface Row {
  readonly device: Device;
  /** Milliseconds; undefined: it has sent nothing. */
  readonly lagMs: number | undefined;
}

interface DevicePage {
  readonly rows: readonly Row[];
  readonly nextPageToken: string;
}

/** All devices by id, a page at a time. */
export function Devices() {
  const { api, link, clock } = useServices();
  const { search, where } = link.state.value;
  /** Of the pages before, and of this one. */
  const tokens = useSignal<readonly string[]>([""]);
  const pageToken = tokens.value.at(-1) ?? "";
  const of = JSON.stringify([search, where, pageToken]);
  const { value, problem } = usePoll<DevicePage>(of, pollMs, (signal) =>
    readPage(api, { search, where, pageToken }, signal),
  );

  function filter(changes: { search?: string; where?: readonly string[] }): void {
    tokens.value = [""];
    link.replace(changes);
  }

  const rows = value.value?.rows ?? [];
  const next = value.value?.nextPageToken ?? "";
  return (
    <>
      <h1>Devices</h1>
      <div class="filters" role="search">
        <label>
          Id begins with{" "}
          <input
            type="search"
            value={search}
            maxLength={256}
            onInput={({ currentTarget }) => filter({ search: currentTarget.value })}
          />
        </label>
        <label>
          Labels{" "}
          <input
            key={where.join(" ")}
            defaultValue={where.join(" ")}
            placeholder="site=north model=x200"
            onChange={({ currentTarget }) =>
              filter({ where: currentTarget.value.split(/\s+/).filter((text) => /^[^=]{1,63}=/.test(text)) })
            }
          />
        </label>
      </div>
      <Problem of={problem} />
      <div class="table-scroll" role="region" aria-label="Devices" tabIndex={0}>
        <table>
          <thead>
            <tr>
              {["Device", "Connection", "Last seen", "Lag", "Labels"].map((text) => (
                <th key={text} scope="col">
                  {text}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(({ device, lagMs }) => (
              <tr key={device.deviceId}>
                <th scope="row">
                  <a href={link.href({ page: "device", deviceId: device.deviceId })}>{device.deviceId}</a>
                </th>
                <td>{deviceConnectionText(device.connection)}</td>
                <td>
                  {device.lastSeenAt === undefined
                    ? "never"
                    : `${spanText(clock.nowMs() - timestampMs(device.lastSeenAt))} ago`}
                </td>
                <td>{lagMs === undefined ? "" : spanText(lagMs)}</td>
                <td>
                  <Labels of={device.labels} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {value.value !== undefined && rows.length === 0 && <p>No device is like that.</p>}
      <div class="pager">
        <button
          type="button"
          disabled={tokens.value.length === 1}
          onClick={() => (tokens.value = tokens.value.slice(0, -1))}
        >
          Before
        </button>
        <button type="button" disabled={next === ""} onClick={() => (tokens.value = [...tokens.value, next])}>
          Next
        </button>
      </div>
    </>
  );
}

async function readPage(
  { query }: Api,
  { search, where, pageToken }: { search: string; where: readonly string[]; pageToken: string },
  signal: AbortSignal,
): Promise<DevicePage> {
  const { devices, nextPageToken } = await query.listDevices(
    { pageSize, pageToken, deviceIdPrefixes: search === "" ? [] : [search], labels: labelsOf(where) },
    { signal },
  );
  const rows = await Promise.all(
    devices.map(async (device): Promise<Row> => {
      try {
        const { lag } = await query.getDevice({ deviceId: device.deviceId }, { signal });
        return { device, lagMs: lag && durationMs(lag) };
      } catch {
        // Deleted since it was listed; anything else the next poll says.
        return { device, lagMs: undefined };
      }
    }),
  );
  return { rows, nextPageToken };
}
