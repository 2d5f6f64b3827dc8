import { durationMs } from "@bufbuild/protobuf/wkt";
import { useComputed } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { reasonText, type StatusReading } from "../api/status-poll.ts";
import { bytesText, numberText, spanText } from "../chart/number-text.ts";
import { Pipeline } from "../parts/pipeline.tsx";
import { Problem } from "../parts/problem.tsx";
import { Tile } from "../parts/tile.tsx";
import { useServices } from "../services.ts";

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
      <dl class="tiles">
        <Figures />
      </dl>
      <Hops />
      <Refused />
    </>
  );
}

/** Texts of signals, and no live regions, which would be read out each second: an answer each second changes them, and renders nothing else. */
function Figures() {
  const { status } = useServices();
  const of = (text: (reading: StatusReading) => string) => () =>
    status.reading.value === undefined ? "..." : text(status.reading.value);
  const devices = useComputed(of(({ status }) => numberText(Number(status.devices))));
  const connected = useComputed(
    of(({ status: { devicesConnected, devicesSilent } }) => {
      return `${numberText(Number(devicesConnected))} connected, ${numberText(Number(devicesSilent))} silent`;
    }),
  );
  const rate = useComputed(
    of(({ rates }) => (rates === undefined ? "..." : numberText(Math.round(rates.samplesPerSecond)))),
  );
  const counted = useComputed(of(({ status: { samplesCounted } }) => numberText(Number(samplesCounted))));
  const ack = useComputed(
    of(({ status: { ackP99 } }) => (ackP99 === undefined ? "none" : spanText(durationMs(ackP99)))),
  );
  const ackHalf = useComputed(
    of(({ status: { ackP50 } }) => (ackP50 === undefined ? "" : `half within ${spanText(durationMs(ackP50))}`)),
  );
  const refused = useComputed(of(({ status: { samplesRefused } }) => numberText(Number(samplesRefused))));
  const series = useComputed(of(({ status }) => numberText(Number(status.series))));
  const calls = useComputed(of(({ status: { ingestCalls } }) => numberText(ingestCalls)));
  const memory = useComputed(of(({ status: { rssBytes } }) => bytesText(Number(rssBytes))));
  const uptime = useComputed(
    of(({ status }) => (status.uptime === undefined ? "..." : spanText(durationMs(status.uptime)))),
  );
  const problem = useComputed(() => {
    const text = status.reading.value?.status.storeProblem ?? "";
    return text === "" ? "" : `Nothing can be stored: ${text}`;
  });
  return (
    <>
      <Tile name="Devices">
        <span>{devices}</span> <span class="hint">{connected}</span>
      </Tile>
      <Tile name="Samples per second" hint="counted, over the last second">
        <span>{rate}</span>
      </Tile>
      <Tile name="Ack latency" hint="99 % of the batches of the last 10 s waited less for their ack, in the server">
        <span>{ack}</span> <span class="hint">{ackHalf}</span>
      </Tile>
      <Tile name="Samples counted" hint="since the server started">
        <span>{counted}</span>
      </Tile>
      <Tile name="Samples refused" hint="since the server started">
        <span>{refused}</span>
      </Tile>
      <Tile name="Series">
        <span>{series}</span>
      </Tile>
      <Tile name="Calls that send">
        <span>{calls}</span>
      </Tile>
      <Tile name="Memory">
        <span>{memory}</span>
      </Tile>
      <Tile name="Up for">
        <span>{uptime}</span>
      </Tile>
      <Tile name="Trouble">
        <span class="problem" role="alert">
          {problem}
        </span>
      </Tile>
    </>
  );
}

function Hops() {
  const { status } = useServices();
  const reading = status.reading.value;
  const slowest = reading?.status.slowestHop ?? "";
  return (
    <section aria-labelledby="hops-title">
      <h2 id="hops-title">Who slows whom</h2>
      <p>
        {slowest === ""
          ? "No hop is half full: nothing holds up what comes before it."
          : `The hop "${slowest}" is at least half full, and holds up those before it.`}
      </p>
      <Pipeline hops={reading?.status.hops ?? []} slowest={slowest} />
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
        <p>Nothing was refused since the server started.</p>
      ) : (
        <div class="table-scroll" role="region" aria-labelledby="refused-title" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th scope="col">Reason</th>
                <th scope="col">Samples</th>
                <th scope="col">Batches</th>
              </tr>
            </thead>
            <tbody>
              {refused.map(({ reason, samples, batches }) => (
                <tr key={reason}>
                  <th scope="row">{reasonText(reason)}</th>
                  <td>{numberText(Number(samples))}</td>
                  <td>{numberText(Number(batches))}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
