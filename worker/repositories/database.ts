/** Opens the libSQL database over HTTP. One client a request: opening costs nothing, and its
 * internal limits must not be shared between requests. */
import { createClient } from "@libsql/client/web";
import type { LibSQLDatabase } from "drizzle-orm/libsql";
import { drizzle } from "drizzle-orm/libsql/web";
import { databaseDurations } from "../telemetry/measures.ts";
import { DatabaseUnavailableError } from "./database-errors.ts";

export type Database = LibSQLDatabase;

/** Inside `database.transaction(async (transaction) => …)`. */
export type Transaction = Parameters<Parameters<Database["transaction"]>[0]>[0];

/** @param url `libsql:`, `https:` or `http:`. */
export function openDatabase(options: {
  readonly url: string;
  readonly authToken: string;
}): Database {
  return drizzle({ client: createClient({ ...options, fetch: fetchMeasured }) });
}

/** {@link fetchAnswer}, measured. */
async function fetchMeasured(request: Request): Promise<Response> {
  const startMs = Date.now();
  let outcome = "unavailable";
  try {
    const answer = await fetchAnswer(request);
    outcome = "ok";
    return answer;
  } finally {
    databaseDurations.observe({ outcome }, (Date.now() - startMs) / 1000);
  }
}

/** @throws {DatabaseUnavailableError} when there is no answer in time, or a server's error. */
async function fetchAnswer(request: Request): Promise<Response> {
  const abort = new AbortController();
  // Why: AbortSignal.timeout would stay armed after the answer and keep a hub from hibernating.
  const timer = setTimeout(() => {
    abort.abort();
  }, ANSWER_DEADLINE_MS);
  let response: Response;
  let body: ArrayBuffer;
  try {
    response = await fetch(request, { signal: abort.signal });
    // Read here, because the deadline is for the whole answer; the client would wait for ever.
    body = await response.arrayBuffer();
  } catch (error) {
    throw new DatabaseUnavailableError("the database did not answer", { cause: error });
  } finally {
    clearTimeout(timer);
  }
  if (response.status >= 500) {
    throw new DatabaseUnavailableError(`the database answered ${response.status}`);
  }
  const { status, headers } = response;
  return new Response(body, { status, headers });
}

/** A statement that takes longer than this holds up its caller beyond any use. */
const ANSWER_DEADLINE_MS = 10_000;
