/**
 * One HTTP request to the control plane's API: bounded in time and size, redirects not followed,
 * every failure a value with one clear sentence. The sentences hold no body that was sent.
 */
import type { IncomingHttpHeaders } from "node:http";
import { request } from "undici";
import { z } from "zod";
import { fail, ok, type Result } from "#shared/base/result.ts";

export interface ApiRequest {
  /** For sentences, and the base of `path`. */
  readonly controlUrl: string;
  /** From the slash on, or a whole URL. */
  readonly path: string;
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly token?: string;
  /** Besides those that every request has. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object;
  readonly deadlineMs?: number;
  /** Ends an answer that is read as it comes. */
  readonly signal?: AbortSignal;
}

interface ApiAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

/** Why there is no answer to use. */
export interface ApiFailure {
  readonly kind: "unreachable" | "deadline" | "refused" | "malformed";
  /** The answer's status; null when there was none. */
  readonly status: number | null;
  /** The catalogue's code when the control plane gave one. */
  readonly code: string | null;
  /** What to tell a person: what happened, what to do, the request id. */
  readonly sentence: string;
  /** What the request's fields have wrong, each of which stands in the sentence as it is here. */
  readonly fields?: readonly FieldFault[];
  /** After how many seconds to try again, where the answer said so. */
  readonly retryAfterS?: number;
}

export interface FieldFault {
  /** Such as `lifeDays` or `scopes.0`. */
  readonly field: string;
  readonly message: string;
}

/** Sends the request; any status but 2xx is a failure. */
export async function requestApi(asked: ApiRequest): Promise<Result<ApiAnswer, ApiFailure>> {
  try {
    const answer = await request(urlOf(asked), {
      method: asked.method,
      headers: headersOf(asked),
      ...(asked.body === undefined ? {} : { body: JSON.stringify(asked.body) }),
      signal: AbortSignal.timeout(asked.deadlineMs ?? API_DEADLINE_MS),
    });
    const text = await readBounded(answer.body);
    const { statusCode: status } = answer;
    const contentType = String(answer.headers["content-type"] ?? "");
    if (text === null) {
      return fail(malformed(asked, status, `answered with more than ${ANSWER_BYTES_MAX} bytes`));
    }
    return status >= 200 && status < 300
      ? ok({ status, contentType, text })
      : fail({ ...refusal(asked, status, text), ...readRetryAfter(answer.headers) });
  } catch (error) {
    return fail(noAnswer(asked, error));
  }
}

/**
 * Sends the request and hands the answer on as it comes, however long it is; `write` is waited for
 * before more is read. What was written before a failure is not all.
 */
export async function streamApi(
  asked: ApiRequest,
  write: (chunk: Uint8Array) => Promise<void>,
): Promise<Result<null, ApiFailure>> {
  try {
    for await (const chunk of readApi(asked)) {
      if (!chunk.ok) {
        return chunk;
      }
      await write(chunk.value);
    }
    return ok(null);
  } catch (error) {
    return fail(noAnswer(asked, error));
  }
}

/** Sends the request and gives the answer as it comes; a failure is the last thing that comes. */
export async function* readApi(asked: ApiRequest): AsyncGenerator<Result<Uint8Array, ApiFailure>> {
  try {
    const answer = await request(urlOf(asked), {
      method: asked.method,
      headers: headersOf(asked),
      headersTimeout: API_DEADLINE_MS,
      bodyTimeout: SILENCE_MS_MAX,
      ...(asked.signal === undefined ? {} : { signal: asked.signal }),
    });
    const { statusCode: status } = answer;
    if (status < 200 || status >= 300) {
      const refused = refusal(asked, status, (await readBounded(answer.body)) ?? "");
      yield fail({ ...refused, ...readRetryAfter(answer.headers) });
      return;
    }
    for await (const chunk of answer.body as AsyncIterable<Uint8Array>) {
      yield ok(chunk);
    }
  } catch (error) {
    yield fail(noAnswer(asked, error));
  }
}

/** Sends the request and reads its JSON answer by a schema. */
export async function requestJson<Value>(
  asked: ApiRequest,
  schema: z.ZodType<Value>,
): Promise<Result<Value, ApiFailure>> {
  const answer = await requestApi(asked);
  if (!answer.ok) {
    return answer;
  }
  const parsed = schema.safeParse(parseJson(answer.value.text));
  return parsed.success
    ? ok(parsed.data)
    : fail(malformed(asked, answer.value.status, "answered with something unexpected"));
}

function urlOf(asked: ApiRequest): URL {
  const url = new URL(asked.path, `${asked.controlUrl}/`);
  if (asked.path.startsWith("/")) {
    url.href = asked.controlUrl + asked.path;
  }
  return url;
}

function headersOf(asked: ApiRequest): Record<string, string> {
  return {
    accept: "application/json, application/problem+json, application/x-virt-viewer, */*;q=0.1",
    ...(asked.body === undefined ? {} : { "content-type": "application/json" }),
    ...asked.headers,
    ...(asked.token === undefined ? {} : { authorization: `Bearer ${asked.token}` }),
  };
}

async function readBounded(body: AsyncIterable<Uint8Array>): Promise<string | null> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of body) {
    sizeBytes += chunk.length;
    if (sizeBytes > ANSWER_BYTES_MAX) {
      return null;
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function refusal(asked: ApiRequest, status: number, text: string): ApiFailure {
  const problem = problemSchema.safeParse(parseJson(text));
  if (!problem.success) {
    return malformed(asked, status, `answered ${status} to ${asked.method} ${pathOf(asked)}`);
  }
  const { code, title, detail, hint, fields, requestId } = problem.data;
  const said = [
    detail ?? "",
    ...fields.map((field) => `${field.field} ${field.message}`),
    title ?? "",
    hint ?? "",
  ];
  const sentences = new Set(said.filter((part) => part !== "").map(endSentence));
  const mark = requestId === undefined ? code : `${code}, request ${requestId}`;
  return {
    kind: "refused",
    status,
    code,
    sentence: `${[...sentences].join(" ")} (${mark})`,
    fields,
  };
}

/** Whole seconds alone: a proxy's date, or a number that no person waits for, says nothing here. */
function readRetryAfter(headers: IncomingHttpHeaders): Pick<ApiFailure, "retryAfterS"> {
  const given = headers["retry-after"];
  return typeof given === "string" && RETRY_AFTER.test(given) ? { retryAfterS: Number(given) } : {};
}

/** Why an answer cannot be used that is none of a control plane's. */
export function malformed(asked: ApiRequest, status: number, what: string): ApiFailure {
  const sentence = `${asked.controlUrl} ${what}: is it a Kerbside control plane?`;
  return { kind: "malformed", status, code: null, sentence };
}

function noAnswer(asked: ApiRequest, error: unknown): ApiFailure {
  const { controlUrl } = asked;
  const none = { status: null, code: null } as const;
  if (error instanceof Error && error.name === "TimeoutError") {
    const sentence = `The control plane at ${controlUrl} did not answer in time.`;
    return { ...none, kind: "deadline", sentence };
  }
  const { code, message } = causeOf(error);
  const why = SENTENCES[code] ?? `cannot be reached: ${message}.`;
  return { ...none, kind: "unreachable", sentence: `The control plane at ${controlUrl} ${why}` };
}

/** The innermost cause with a code: several addresses give one error that holds others. */
function causeOf(error: unknown): { readonly code: string; readonly message: string } {
  if (error instanceof AggregateError && error.errors.length > 0) {
    return causeOf(error.errors[0]);
  }
  if (error instanceof Error) {
    const { code } = error as NodeJS.ErrnoException;
    return error.cause instanceof Error && code === undefined
      ? causeOf(error.cause)
      : { code: code ?? "", message: error.message };
  }
  return { code: "", message: String(error) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function pathOf(asked: ApiRequest): string {
  return asked.path.split("?")[0] ?? "";
}

function endSentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** RFC 9457; the title says what to do about it. */
const problemSchema = z.object({
  code: z.string(),
  title: z.string().optional(),
  detail: z.string().optional(),
  hint: z.string().optional(),
  fields: z.array(z.object({ field: z.string(), message: z.string() })).default([]),
  requestId: z.string().optional(),
});

const NAME_UNKNOWN = "cannot be reached: its name is not known to DNS. Check the URL.";
const SENTENCES: Readonly<Record<string, string>> = {
  ECONNREFUSED: "is not running: nothing listens there. Start it, or check the URL.",
  ENOTFOUND: NAME_UNKNOWN,
  EAI_AGAIN: NAME_UNKNOWN,
  ECONNRESET: "closed the connection. Check that the URL's scheme and port are right.",
  UND_ERR_SOCKET: "closed the connection. Check that the URL's scheme and port are right.",
  UND_ERR_CONNECT_TIMEOUT: "did not answer in time.",
  DEPTH_ZERO_SELF_SIGNED_CERT:
    "has a certificate that is not trusted here. Name its CA in NODE_EXTRA_CA_CERTS.",
  SELF_SIGNED_CERT_IN_CHAIN:
    "has a certificate that is not trusted here. Name its CA in NODE_EXTRA_CA_CERTS.",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    "has a certificate that is not trusted here. Name its CA in NODE_EXTRA_CA_CERTS.",
};

/** From a second to a day and some hours. */
const RETRY_AFTER = /^[1-9][0-9]{0,4}$/;
/** A person waits; the slowest honest answer (a ticket that tries several relays) takes seconds. */
const API_DEADLINE_MS = 20_000;
/** A file is read from the database page by page; none takes so long, and feeds speak more often. */
const SILENCE_MS_MAX = 60_000;
/** A page of consoles is some 100 KiB; more than this is no answer of ours. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
