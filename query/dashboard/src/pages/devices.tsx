import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { useSignal } from "@preact/signals";
import type { Device } from "../../../../proto/gen/telemetry/v1/query_service_pb.js";
import type { Api } from "../api/transport.ts";
import { usePoll } from "../api/use-poll.ts";
import { spanText } from "../chart/number-text.ts";
import { Connection } from "../parts/connection.tsx";
import { Labels } from "../parts/labels.tsx";
import { Problem } from "../parts/problem.tsx";
import { useServices } from "../services.ts";
import { labelsOf } from "../state/url-state.ts";

const pageSize = 50;
const pollMs = 5_000;

interface DevicePage {
  readonly devices: readonly Device[];
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

  const devices = value.value?.devices ?? [];
  const next = value.value?.nextPageToken ?? "";
  // The clocks of the two may differ.
  const sinceMs = (time: Timestamp) => Math.max(0, clock.nowMs() - timestampMs(time));
  return (
    <>
      <h1>Devices</h1>
      <div class="fields" role="search">
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
      <div class="table-scroll card" role="region" aria-label="Devices" tabIndex={0}>
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
            {devices.map((device) => (
              <tr key={device.deviceId}>
                <th scope="row">
                  <a href={link.href({ page: "device", deviceId: device.deviceId })}>{device.deviceId}</a>
                </th>
                <td>
                  <Connection of={device.connection} />
                </td>
                <td>{device.lastSeenAt === undefined ? "never" : `${spanText(sinceMs(device.lastSeenAt))} ago`}</td>
                <td>{device.latestEventAt === undefined ? "" : spanText(sinceMs(device.latestEventAt))}</td>
                <td>
                  <Labels of={device.labels} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {value.value !== undefined && devices.length === 0 && <p class="hint">No device is like that.</p>}
      <div class="pager">
        <button
          type="button"
          disabled={tokens.value.length === 1}
          onClick={() => (tokens.value = tokens.value.slice(0, -1))}
        >
          Previous
        </button>
        <button type="button" disabled={next === ""} onClick={() => (tokens.value = [...tokens.value, next])}>
          Next
        </button>
        <span class="hint">
          Page {tokens.value.length}: {devices.length} {devices.length === 1 ? "device" : "devices"}
        </span>
      </div>
    </>
  );
}

async function readPage(
  { query }: Api,
  { search, where, pageToken }: { search: string; where: readonly string[]; pageToken: string },
  signal: AbortSignal,
): Promise<DevicePage> {
  return await query.listDevices(
    { pageSize, pageToken, deviceIdPrefixes: search === "" ? [] : [search], labels: labelsOf(where) },
    { signal },
  );
}
