import { create } from "@bufbuild/protobuf";
import { latenessMsDefault } from "../../lib/base/limits.ts";
import { FrameReader, type Window } from "../../lib/wire/window-frame.ts";
import { WindowFrameSchema } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { type AnswerRequest, RangeAnswer } from "../../query/range-answer.ts";
import { encodeFrame } from "../wire/plain-frame.ts";
import type { Sender } from "./sender.ts";

export interface AskOptions extends Partial<AnswerRequest> {
  readonly pageWindows?: number;
}

/** The pages of a query of all that was sent, as a client reads them. Asks as of the sender's time. */
export function askPages({ ingest, store }: Sender, { pageWindows = 1_000, ...asked }: AskOptions): Window[][] {
  ingest.settle();
  const request: AnswerRequest = {
    selector: { deviceIds: undefined, metricNames: undefined },
    widthMs: 10_000,
    fromMs: -1e13,
    toMs: 1e13,
    quantiles: [],
    groupBy: [],
    nowMs: ingest.nowMs,
    latenessMs: latenessMsDefault,
    ...asked,
  };
  const answer = new RangeAnswer(store, request);
  const frames = new FrameReader();
  const pages: Window[][] = [];
  for (let page = answer.next(pageWindows); page !== undefined; page = answer.next(pageWindows)) {
    const frame = encodeFrame(request.widthMs, 1, page.series, page.windows, page.quantileValues);
    pages.push([...frames.read(create(WindowFrameSchema, frame))]);
  }
  return pages;
}

export function ask(sender: Sender, options: AskOptions): Window[] {
  return askPages(sender, options).flat();
}
