/**
 * One pipeline: find or make its stream, perform its requests in order, park or close the stream.
 * Whatever happens, the stream ends parked or closed. A failed request does not stop the next one;
 * clients say with batches what depends on what.
 */
import { hranaErrorFrom, newResponseBudget, runRequest } from "./run-request.ts";

import type { HranaRequest, HranaResult, PipelineResponse } from "./hrana-protocol.ts";
import type { RequestContext } from "./run-request.ts";
import type { StreamStore } from "./stream-store.ts";
import type { Stream } from "./stream.ts";
import type { Result } from "#shared/base/result.ts";
import { fail, ok } from "#shared/base/result.ts";

/** Why no stream could be had. */
export type PipelineRefusal = "stream-expired" | "too-many-streams";

export interface PipelineCall {
  /** The baton of the answer before; null opens a new stream. */
  readonly baton: string | null;
  readonly requests: readonly HranaRequest[];
  /** Aborted when nobody will read the answer: the stream is closed then. */
  readonly signal: AbortSignal;
}

export async function runPipeline(
  streams: StreamStore,
  call: PipelineCall,
): Promise<Result<PipelineResponse, PipelineRefusal>> {
  const stream = call.baton === null ? streams.open() : streams.take(call.baton);
  if (stream === null) {
    return fail(call.baton === null ? "too-many-streams" : "stream-expired");
  }
  let isOver = true;
  try {
    const { results, isClosed } = await runAll(stream, call);
    isOver = isClosed || call.signal.aborted;
    const baton = isOver ? null : streams.park(stream);
    return ok({ baton, base_url: null, results });
  } finally {
    if (isOver) {
      streams.close(stream);
    }
  }
}

async function runAll(
  stream: Stream,
  call: PipelineCall,
): Promise<{ results: HranaResult[]; isClosed: boolean }> {
  const context = { stream, signal: call.signal, budget: newResponseBudget() };
  const results: HranaResult[] = [];
  let isClosed = false;
  for (const request of call.requests) {
    if (isClosed) {
      results.push({ type: "error", error: STREAM_CLOSED });
    } else if (request.type === "close") {
      isClosed = true;
      results.push({ type: "ok", response: { type: "close" } });
    } else {
      results.push(await resultOf(context, request));
    }
  }
  return { results, isClosed };
}

async function resultOf(
  context: RequestContext,
  request: Exclude<HranaRequest, { type: "close" }>,
): Promise<HranaResult> {
  try {
    return { type: "ok", response: await runRequest(context, request) };
  } catch (error) {
    return { type: "error", error: hranaErrorFrom(error) };
  }
}

const STREAM_CLOSED = { code: "STREAM_CLOSED", message: "the stream was closed before" } as const;
