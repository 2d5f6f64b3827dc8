import { durationMs } from "@bufbuild/protobuf/wkt";
import { useComputed } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { reasonText, type StatusReading } from "../api/status-poll.ts";
import { bytesText, numberText, spanText } from "../chart/number-text.ts";
import { StatusChart } from "../chart/status-chart.tsx";
import { Pipeline } from "../parts/pipeline.tsx";
import { Problem } from "../parts/problem.tsx";
import { Tile } from "../parts/tile.tsx";
import { useServices } from "../services.ts";
import { latencyMs } from "../state/status-history.ts";

const rateLines = { samplesPerSecond: "Samples per second" };
const ackLines = { ackP50Ms: "p50", ackP99Ms: "p99" };

/** How the server is doing, once a second. */
export function Overview() {
  const { status } = useServices();
  useEffect(() => {
    const ending = new AbortController();
    void status.run(ending.signal);
    return () => ending.abort();
  }, [status]);
  return (
    <>
      <h1>Overview</h1>
      <Problem of={status.problem} />
      <Trouble />
      <dl class="tiles">
        <Figures />
      </dl>
      <h2 class="visually-hidden">The last five minutes</h2>
      <div class="charts">
        <StatusChart title="Samples per second" unit="1/s" lines={rateLines} />
        <StatusChart title="Ack latency" unit="ms" lines={ackLines} />
      </div>
      <Hops />
      <Refused />
    </>
  );
}

/** Only there when it is. */
function Trouble() {
  const { status } = useServices();
  const trouble = useComputed(() => status.reading.value?.status.storeProblem ?? "");
  if (trouble.value === "") return null;
  return (
    <p class="alarm" role="alert">
      <strong>&#9888;&#xFE0E; Nothing can be stored:</strong> {trouble}
    </p>
  );
}

/** Texts of signals, and no live regions, which would be read out each second: an answer each second changes them, and renders nothing else. */
function Figures() {
  const { status } = useServices();
  const of = (text: (reading: StatusReading) => string) => () =>
    status.reading.value === undefined ? "..." : text(status.reading.value);
  const count = (value: bigint | number) => numberText(Number(value));
  const devices = useComputed(of(({ status }) => count(status.devices)));
  const connected = useComputed(
    of(({ status: { devicesConnected, devicesSilent } }) =>
      devicesSilent === 0n
        ? `${count(devicesConnected)} connected`
        : `${count(devicesConnected)} connected, ${count(devicesSilent)} silent`,
    ),
  );
  const rate = useComputed(
    of(({ rates }) => (rates === undefined ? "..." : count(Math.round(rates.samplesPerSecond)))),
  );
  const ack = useComputed(of(({ status }) => latencyText(latencyMs(status.ackP99))));
  const ackHalf = useComputed(of(({ status }) => `p99; p50 ${latencyText(latencyMs(status.ackP50))}`));
  const counted = useComputed(of(({ status }) => count(status.samplesCounted)));
  const refused = useComputed(of(({ status }) => count(status.samplesRefused)));
  const series = useComputed(of(({ status }) => count(status.series)));
  const memory = useComputed(of(({ status }) => bytesText(Number(status.rssBytes))));
  const uptime = useComputed(
    of(({ status }) => (status.uptime === undefined ? "..." : spanText(durationMs(status.uptime)))),
  );
  const durability = useComputed(
    of(({ status }) => (status.durability === "fsync" ? "acks are on disk" : "acks are with the OS")),
  );
  return (
    <>
      <Tile name="Devices" hint={connected}>
        <span>{devices}</span>
      </Tile>
      <Tile name="Samples per second" hint="over the last second">
        <span>{rate}</span>
      </Tile>
      <Tile name="Ack latency" hint={ackHalf}>
        <span>{ack}</span>
      </Tile>
      <Tile name="Samples counted" hint="since the start">
        <span>{counted}</span>
      </Tile>
      <Tile name="Samples refused" hint="since the start">
        <span>{refused}</span>
      </Tile>
      <Tile name="Series" hint="of all devices">
        <span>{series}</span>
      </Tile>
      <Tile name="Memory" hint="of the server">
        <span>{memory}</span>
      </Tile>
      <Tile name="Up for" hint={durability}>
        <span>{uptime}</span>
      </Tile>
    </>
  );
}

function latencyText(ms: number): string {
  return Number.isNaN(ms) ? "none" : spanText(ms);
}

function Hops() {
  const { status } = useServices();
  const now = status.reading.value?.status;
  const slowest = now?.slowestHop ?? "";
  const senders =
    now === undefined ? "..." : `${numberText(Number(now.devicesConnected))} connected, ${now.ingestCalls} calls`;
  return (
    <section aria-labelledby="hops-title">
      <h2 id="hops-title">Who slows whom</h2>
      <p class="hint">
        {slowest === ""
          ? "No hop is half full: nothing holds up what comes before it."
          : `The hop "${slowest}" is at least half full, and holds up those before it.`}
      </p>
      <Pipeline senders={senders} hops={now?.hops ?? []} slowest={slowest} />
    </section>
  );
}

function Refused() {
  const { status } = useServices();
  const refused = status.reading.value?.status.refused ?? [];
  return (
    <section aria-labelledby="refused-title">
      <h2 id="refused-title">Refused, by reason</h2>
      {refused.length === 0 ? (
        <p class="hint">Nothing was refused since the server started.</p>
      ) : (
        <div class="table-scroll card" role="region" aria-label="Refused samples" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th scope="col">Reason</th>
                <th scope="col" class="number">
                  Samples
                </th>
                <th scope="col" class="number">
                  Batches
                </th>
              </tr>
            </thead>
            <tbody>
              {refused.map(({ reason, samples, batches }) => (
                <tr key={reason}>
                  <th scope="row">{reasonText(reason)}</th>
                  <td class="number">{numberText(Number(samples))}</td>
                  <td class="number">{numberText(Number(batches))}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
