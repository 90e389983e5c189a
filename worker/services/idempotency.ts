/**
 * Requests that are carried out once however often they arrive. A key is reserved before its
 * request is carried out and holds the answer afterwards. Where that answer never came (the process
 * died, the database went away), the audit trail decides when the lease has ended: every change is
 * stored together with its event, so a request without one changed nothing and may be done again;
 * with one it is not done twice, and the caller is told that the answer is lost.
 */
import { toBase64Url, utf8 } from "#shared/base/bytes.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import { hasAuditedRequest } from "../repositories/audit-events.ts";
import {
  type KeyHolder,
  type KeyRow,
  type NewKey,
  releaseKey,
  reserveKey,
  storeAnswer,
  takeKeyOver,
} from "../repositories/idempotency-keys.ts";
import type { ServiceContext } from "./context.ts";
import { sealSecret, type SecretPlace, unsealSecret } from "./secrets.ts";

/** A request with a key, as its caller sent it. */
export interface RepeatableRequest {
  /** Whose key it is. */
  readonly caller: string;
  readonly key: string;
  readonly requestId: string;
  /** What must be the same in a repetition: method, address and body. */
  readonly content: readonly string[];
}

export interface KeptAnswer {
  readonly status: number;
  /** Null: no body. */
  readonly contentType: string | null;
  readonly body: string;
}

/** What to do with the request: carry it out, or give an answer that is there already. */
export type KeyVerdict =
  | { readonly kind: "first"; readonly holder: KeyHolder }
  | { readonly kind: "repetition"; readonly answer: KeptAnswer };

/** Fails with a code of `idempotency.*`. */
export async function judgeRepetition(
  context: ServiceContext,
  request: RepeatableRequest,
): Promise<Result<KeyVerdict, Failure>> {
  const key = await newKey(context, request);
  const row = await reserveKey(context.database, key, KEYS_PER_CALLER_MAX);
  if (row === null) {
    return refuse("too-many-keys");
  }
  const standing = standingOf(row, key);
  if (standing === "mine") {
    return ok({ kind: "first", holder: key });
  }
  if (standing === "done") {
    return await replay(context, row);
  }
  return standing === "lapsed" ? await takeOver(context, row, key) : refuse(standing);
}

/** Keeps what the request was answered; an answer that is too large is remembered as lost. */
export async function keepAnswer(
  context: ServiceContext,
  holder: KeyHolder,
  answer: KeptAnswer,
): Promise<void> {
  const sealed =
    utf8(answer.body).length > ANSWER_BYTES_MAX
      ? null
      : await sealSecret(context, placeOf(holder), JSON.stringify(answer));
  await storeAnswer(context.database, holder, sealed);
}

/** Gives the key free: the request was refused and changed nothing. */
export async function forgetRequest(context: ServiceContext, holder: KeyHolder): Promise<void> {
  await releaseKey(context.database, holder);
}

/** A key as a request wants it. */
interface WantedKey extends NewKey {
  /** With each of the secrets keys, so that a change of these keeps repetitions recognisable. */
  readonly fingerprints: readonly string[];
}

/** How the request stands to the row that has its key. Pure. */
export function standingOf(
  row: Pick<KeyRow, "attempt" | "fingerprint" | "state" | "leaseUntilMs">,
  key: Pick<WantedKey, "attempt" | "fingerprints" | "startedAtMs">,
): "mine" | "key-reused" | "done" | "in-progress" | "lapsed" {
  if (row.attempt === key.attempt) {
    return "mine";
  }
  if (!key.fingerprints.includes(row.fingerprint)) {
    return "key-reused";
  }
  if (row.state === "done") {
    return "done";
  }
  return row.leaseUntilMs > key.startedAtMs ? "in-progress" : "lapsed";
}

async function newKey(context: ServiceContext, request: RepeatableRequest): Promise<WantedKey> {
  const startedAtMs = context.nowMs();
  const fingerprints = await Promise.all(
    context.settings.secretsKeys.map(async ({ key }) => await fingerprintOf(key, request.content)),
  );
  const [fingerprint = ""] = fingerprints;
  return {
    id: await hash(JSON.stringify([request.caller, request.key])),
    caller: request.caller,
    fingerprint,
    fingerprints,
    attempt: toBase64Url(context.randomBytes(ATTEMPT_BYTES)),
    requestId: request.requestId,
    startedAtMs,
    leaseUntilMs: startedAtMs + LEASE_MS,
    expiresAtMs: startedAtMs + KEY_LIFE_MS,
  };
}

async function replay(context: ServiceContext, row: KeyRow): Promise<Result<KeyVerdict, Failure>> {
  const text =
    row.sealedAnswer === null ? null : await unsealSecret(context, placeOf(row), row.sealedAnswer);
  return text === null
    ? refuse("answer-lost")
    : ok({ kind: "repetition", answer: JSON.parse(text) as KeptAnswer });
}

async function takeOver(
  context: ServiceContext,
  row: KeyRow,
  key: WantedKey,
): Promise<Result<KeyVerdict, Failure>> {
  const first = {
    requestId: row.requestId,
    fromMs: row.startedAtMs - CLOCK_SKEW_MS,
    untilMs: row.leaseUntilMs + CLOCK_SKEW_MS,
  };
  if (await hasAuditedRequest(context.database, first)) {
    return refuse("answer-lost");
  }
  const isTaken = await takeKeyOver(context.database, row, key);
  return isTaken ? ok({ kind: "first", holder: key }) : refuse("in-progress");
}

function refuse(
  why: "key-reused" | "in-progress" | "answer-lost" | "too-many-keys",
): Result<never, Failure> {
  return fail({ code: `idempotency.${why}`, detail: "" });
}

function placeOf({ id }: Pick<KeyRow, "id">): SecretPlace {
  return { column: "idempotency_keys.sealed_answer", rowId: id };
}

async function hash(text: string): Promise<string> {
  return toBase64Url(new Uint8Array(await crypto.subtle.digest("SHA-256", utf8(text))));
}

/** Keyed: the body may hold a password, which a plain hash would let be guessed. */
async function fingerprintOf(
  secretsKey: Uint8Array<ArrayBuffer>,
  content: readonly string[],
): Promise<string> {
  const root = await crypto.subtle.importKey("raw", secretsKey, "HKDF", false, ["deriveKey"]);
  const key = await crypto.subtle.deriveKey(
    { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: utf8(FINGERPRINT_PURPOSE) },
    root,
    { name: "HMAC", hash: "SHA-256", length: 256 },
    false,
    ["sign"],
  );
  const text = utf8(JSON.stringify(content));
  return toBase64Url(new Uint8Array(await crypto.subtle.sign("HMAC", key, text)));
}

const FINGERPRINT_PURPOSE = "kerbside idempotency fingerprint v1";
const ATTEMPT_BYTES = 16;
/** As long as programs go on trying. */
const KEY_LIFE_MS = 24 * 60 * 60 * 1000;
/**
 * Longer than any request is carried out: a ticket that tries several relays takes some 20 s, and
 * the database has 10 s for each answer.
 */
export const LEASE_MS = 60_000;
/** The clocks of two isolates may differ so much. */
const CLOCK_SKEW_MS = 10_000;
/** One answer is a row; a page of 200 consoles would not be worth keeping. */
export const ANSWER_BYTES_MAX = 64 * 1024;
/** An import of thousands of consoles fits; a runaway loop does not fill the database. */
const KEYS_PER_CALLER_MAX = 10_000;
