import assert from "node:assert/strict";
import { timeMsMin } from "./time-range.ts";

// They stand apart for who reads times in a browser, which has no node:assert.
export { timeMsMax, timeMsMin } from "./time-range.ts";

/**
 * Every limit of the product, with its unit and its reason. What comes from outside and is over one
 * of them is refused with an error that names it.
 */

const kib = 1024;
const mib = 1024 * kib;

/** grpc-js's own default; a message of 64 batches of 100 samples is 60 KiB. */
export const messageBytesMax = 4 * mib;
/**
 * What grpc-js takes in before it ends the stream by itself, without a reason that names the field.
 * Above `messageBytesMax`, so that a message a little too large gets our answer.
 */
export const messageBytesHardMax = 2 * messageBytesMax;

/** 100,000 doubles, each with a time of its own. Bounds the scratch memory of the decoder. */
export const batchBytesMax = 1.5 * mib;
export const batchSamplesMax = 100_000;
export const batchTablesMax = 1_024;
assert(batchBytesMax <= messageBytesMax, "a batch fits in a message");
assert(batchSamplesMax * (8 + 5) + kib <= batchBytesMax, "one metric with the most samples fits in a batch");

/** Handles index an array in the writer. */
export const metricHandleMax = 0xffff;
/** As many as a message holds with the longest names; a device that has more registers again. */
export const metricsPerRegistrationMax = 3_000;

/**
 * What a server allows unless its flags say otherwise (`ingest/quotas.ts`), as large systems do. A series costs its
 * rows in every tier for as long as they are kept, which a name made out of a changing value has no end of.
 */
export const seriesPerDeviceMaxDefault = 1_000;
export const seriesPerPrincipalMaxDefault = 150_000;
export const samplesPerSecondMaxDefault = 10_000;
assert(seriesPerDeviceMaxDefault <= metricHandleMax, "every series of a device can have a handle");
assert(seriesPerDeviceMaxDefault <= metricsPerRegistrationMax, "a device of the usual size registers at once");
/** Series ids index columns of 32 bits. */
export const seriesMax = 2 ** 31 - 1;

/** UTF-8 bytes. Ids are keys of the store: short ones keep its pages dense. */
export const deviceIdBytesMax = 256;
export const metricNameBytesMax = 256;
/** As long as OpenTelemetry allows. */
export const metricUnitBytesMax = 63;
export const metricDescriptionBytesMax = 1_024;
export const spoolIdBytes = 16;
export const labelsMax = 32;
/** As long as Kubernetes allows for a label's name. */
export const labelKeyBytesMax = 63;
export const labelValueBytesMax = 256;

assert(new Date(timeMsMin).toISOString() === "0001-01-01T00:00:00.000Z");

/** A device's clock may be this far ahead; further is a fault that would spoil "the latest window". */
export const timeAheadMsMaxDefault = 10 * 60_000;

/** Refusals told one by one in an ack; further ones are added up per reason. */
export const refusalsPerAckMax = 100;
/** Rejects told in answer to one group; a sender that earns more has been told enough. */
export const rejectsPerAnswerMax = 100;

/** Request bytes of one call that the server holds and has not settled: a few large messages. */
export const callBytesInFlightMax = 4 * mib;
/** And beside other calls, where the writer is slow: what is under way to it and back. */
export const callBytesFairMin = 32 * kib;
/** Request bytes of all calls together that the server holds and has not settled. */
export const ingestBytesInFlightMax = 32 * mib;
assert(callBytesInFlightMax >= messageBytesMax, "a call can have a message of any size in flight");
assert(ingestBytesInFlightMax >= 4 * callBytesInFlightMax, "one loud call leaves room for others");

/**
 * While much comes in, it is handed to the writer at most this often: 64 batches in flight then make one commit
 * instead of three, at two thirds of the processor time and with no later acks (docs/decisions/0017).
 */
export const slabIntervalMs = 3;

/** Connections of all clients: each costs some 50 KiB, and a gateway carries its devices over one. */
export const connectionsMaxDefault = 20_000;
/** Connections of one address, which many devices may share. */
export const connectionsPerAddressMaxDefault = 5_000;
/** Time for a connection to say something that makes sense, TLS's handshake first: seconds over a poor radio link. */
export const handshakeMsMaxDefault = 20_000;

/**
 * A connection is given up at some time, so that clients spread over servers, meet new certificates, and leaks of either
 * side end. Its calls are asked to end first; who does not is cut after the second time.
 */
export const connectionAgeMsMaxDefault = 24 * 3_600_000;
export const connectionDrainMsMax = 10 * 60_000;
/** Without a call: a device that sends less often connects again. */
export const connectionIdleMsMaxDefault = 30 * 60_000;
/** How often connections are looked at. */
export const connectionsCheckMs = 1_000;

/** Headers of an HTTP/1.1 request: a token and some that proxies add. */
export const httpHeaderBytesMax = 16 * kib;
/** Time to send the headers of a request, and all of it: 4 MiB over a poor radio link; and between two of a connection. */
export const httpHeadersMsMax = 10_000;
export const httpRequestMsMax = 60_000;
export const httpIdleMsMax = 65_000;
/** How often connections are held against these times. */
export const httpTimesCheckMs = 1_000;
/** Bodies of all requests that are not answered yet, as far as they have come: decoded, one may take some times as much. */
export const httpBodiesBytesMax = 64 * mib;
assert(httpBodiesBytesMax >= 16 * messageBytesMax, "large ones leave room for others");
/** What anybody may send without credentials: the name of a service. */
export const openMessageBytesMax = 4 * kib;
/** Who finds too many bodies under way comes again after this long. */
export const httpBodiesRetryMs = 1_000;
/** Messages in messages that are told as parameters of a query, `selector.deviceIds`. */
export const queryParameterDepthMax = 4;

/** A unary call that takes longer has found a fault of ours: pushes of a device over its rate wait 5 s. */
export const unaryMsMax = 60_000;

/**
 * Bytes of a call's headers, and how many there are: ours have some 500 bytes and a token; gRPC's advice is 8 KiB, and
 * proxies add their own. A few bytes on the wire can name a header of 4 KiB, so that the number has to be bounded too.
 */
export const headerListBytesMax = 16 * kib;
export const headerPairsMax = 64;
/** Settings in one frame: HTTP/2 knows of 8. */
export const http2SettingsMax = 16;
/** Calls of a connection that a client may cancel at once, and per second from then on; one that cancels more is cut. */
export const streamResetBurst = 1_000;
export const streamResetRate = 33;
/** Frames of a connection that say nothing or make no sense, before it is cut. */
export const invalidFramesMax = 100;
/** Messages in messages of a request: ours go 4 deep. */
export const messageDepthMax = 16;
/** Messages, strings and map entries in a message that is decoded whole: some 0.1 s of processor time. */
export const messageElementsMax = 50_000;
/** A compressed message so small is decompressed at once: to at most 1,000 times as much, a millisecond. */
export const decompressedAtOnceBytesMax = kib;

/**
 * What a client may send on a call before it is read (HTTP/2's window): 6 MB/s at a round trip of 20 ms
 * (`bench/receive-window.ts`). HTTP/2 begins with 64 KiB, and its sizes have 31 bits.
 */
export const receiveWindowBytesDefault = 256 * kib;
export const receiveWindowBytesMin = 64 * kib;
export const receiveWindowBytesMax = 64 * mib;

/** Watches of health at once, which anybody may open: a client that checks has one per connection, at some 14 KiB. */
export const healthWatchesMax = 1_000;
/** Characters of the name of a service that health is asked for, which a watch keeps. */
export const healthServiceCharsMax = 256;
/** Calls of reflection at once, which anybody may open: a tool has one for as long as it looks. */
export const reflectionCallsMax = 100;
/** One request of reflection: a name, which is sent back with its answer. */
export const reflectionRequestBytesMax = 4 * kib;
/** Who finds too many of these open asks again after this long. */
export const openCallsRetryMs = 1_000;

/** A device may bring what it has not used of its rate for so long: it was offline, and catches up. */
export const rateBurstMs = 60_000;
/**
 * Samples that a device can be over its rate before its batches are not taken: no less than one call can have in flight
 * when it is told to wait, so that only a device that sends on many calls meets it.
 */
export const rateExcessMax = (callBytesInFlightMax + messageBytesMax) / 8;
/** A push of a device that is over its rate waits at the server so long; half of the least usual deadline. */
export const pushHeldMsMax = 5_000;
/** Pushes of all devices that wait so, in bytes. */
export const pushHeldBytesMax = 16 * mib;

/** A stream whose reading has waited this long is told why, and again after the second time. */
export const slowDownAfterMs = 200;
export const slowDownAgainMs = 1_000;

/** Answers waiting for a client that does not read them, after which its calls are not read either. */
export const answersWaitingMax = 64;

/** Recorded gaps that are kept and told of a device: the latest. Their sums are kept for ever. */
export const gapsPerDeviceMax = 100;
/** For people who look at a device. */
export const deviceDescriptionBytesMax = 1_024;
/** Deleted devices that are purged together: one walk through the windows for all of them. */
export const purgeDevicesMax = 1_000;
/** Windows deleted, and places looked at, in one step of a purge: a few milliseconds, so that acks do not wait. */
export const purgeStepsMax = 1_000;

/** Devices whose session the writer keeps in memory while no call uses them. */
export const idleSessionsMax = 100_000;

/** Windows in one frame: about 60 KiB, and 2 to 5 ms of a reader's time. */
export const frameWindowsMax = 1_000;
/** Samples in one frame: 160 to 200 KiB. */
export const frameSamplesMax = 10_000;
/** What is decoded of the journal for one page of samples: 2 to 4 ms of a reader's time, whatever it finds. */
export const sampleWorkBytesMax = mib;
/** Groups of the journal that are looked at in one step. */
export const sampleScanGroupsMax = 4_096;
/** Sessions whose metric handles an answer keeps in memory. */
export const sampleSessionsMax = 10_000;
export const pageSizeMax = 1_000;
export const pageSizeDefault = 100;
export const pointsMax = 100_000;
export const pointsDefault = 1_000;
/** Device ids and metric names in one selector. */
export const selectorNamesMax = 10_000;
/** Prefixes of device ids, and of metric names: each name is held against all of them. */
export const selectorPrefixesMax = 100;

/** Of one request: each costs a column. */
export const quantilesMax = 16;
export const groupLabelsMax = 8;
/** Groups of one answer: their windows of one start are in memory together. */
export const groupsMax = 10_000;

export const subscriptionIntervalMsMin = 100;
export const subscriptionIntervalMsMax = 60_000;
export const subscriptionIntervalMsDefault = 250;
export const heartbeatIntervalMs = 5_000;
/** Changed windows are handed from the writer to the live feed at most this often. */
export const publishIntervalMs = 100;
/** Changed windows that wait for the subscribers of one selection, in bytes; who is slower reads them from the store. */
export const selectionBytesMax = 1 * mib;
/** Memory of such a window: its columns, which may be half empty, and its place in an index; and of each quantile of it. */
export const liveWindowBytes = 256;
export const liveQuantileBytes = 16;
/** Encoded frames kept for the subscribers of one selection who are to be sent the same. */
export const selectionPagesMax = 4;
assert(
  selectionBytesMax > frameWindowsMax * (liveWindowBytes + quantilesMax * liveQuantileBytes),
  "a selection has room for a frame",
);
/** Windows whose becoming final a selection follows one by one: some 200 KiB, 1,000 series and more. */
export const provisionalStartsMax = 5_000;
/** A subscriber that has not taken a message for so long is ended: it has a token, and whoever reads it may be gone. */
export const subscriberStalledMsMax = 60_000;
/** It is told so if it reads after all within this time; then it is cut. */
export const subscriberEndMsMax = 30_000;
/** Subscribers that are read for from the store at once, beside the queries: each needs one of the connections kept. */
export const subscriberReadsMax = 8;
/** One that has not taken a page for so long gives way to those who wait, and begins again when it reads. */
export const subscriberReadMsMax = 5_000;
/** A subscriber that is too slow for the memory of its selection reads the store, at most this often. */
export const catchUpIntervalMsMin = 1_000;

/** Changes of devices waiting for one watcher: of a hundred thousand devices, two of each. */
export const watcherEventsMax = 200_000;

/** Journalled windows reach their table about this long after they were acked; a query that needs them sooner waits. */
export const flushIntervalMs = 1_000;
/** A window that stays open is stored this long after its first change, so that the journal stays short. */
export const openFlushMs = 60_000;
/** A window is stored when it has been over for this long by the server's clock: its last samples are on their way. */
export const closeDelayMs = 1_000;
/**
 * Windows in the writer's memory: the open ones of the finest tier, and those that are not stored yet. About 500 MiB
 * (`bench/micro/series.ts`); more, and the writer lets go of some before it takes a group.
 */
export const heldWindowsMax = 1_500_000;
/** Windows copied out of the writer's memory for one query: some 3 ms. A query that needs more has them stored. */
export const openWindowsMax = 5_000;
/** A query that has been given such a copy keeps the tables as they are for no longer, and then leaves as much time. */
export const flushHeldMsMax = 100;
export const flushFreeMs = 100;
/** So that a heavy range leaves one for the others. Each has an isolate of some 15 MiB. */
export const readerThreads = 2;
/** Ranges read at once, each with a connection of 4 MiB cache; others wait. */
export const rangesMax = 32;
/** Ranges that wait; further ones are told to come later. */
export const rangesWaitingMax = 1_000;
/** A snapshot is held for no longer: the log of the database cannot be emptied meanwhile. */
export const snapshotMsMax = 10_000;
/** Windows of the first frame of an answer: somebody waits for it. */
export const firstFrameWindowsMax = 128;
/** How late a sample may be before its window counts as final. */
export const latenessMsDefault = 30_000;
/** Rows of one transaction that is not a group: a few milliseconds, so that acks do not wait. */
export const stepRowsMax = 500;
/** Windows read in one step of a roll-up: a few milliseconds. */
export const rollUpRowsMax = 1_500;
/** Groups deleted from the journal in one step. */
export const trimGroupsMax = 64;
/** What cannot be stored for want of space is tried again after this long, by the server and by its clients. */
export const storeRetryMs = 1_000;
