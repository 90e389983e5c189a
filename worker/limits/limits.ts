/**
 * The services' way to the limiters: one Durable Object for each share of the keys. Keys are hashed
 * here, so that no limiter learns an address or a name.
 *
 * When a limiter is away, attempts go on: a fault of ours must not keep everybody out, and what is
 * guarded holds without it (tokens have 256 random bits, passwords twelve characters and a slow
 * hash). When it is there and has too much to do, they are refused: that is what an attack looks
 * like, and flooding a limiter must not be the way around it.
 */
import { toBase64Url, utf8 } from "#shared/base/bytes.ts";
import { DeadlineError, withDeadline } from "../hub/with-deadline.ts";
import { logFailure } from "../log.ts";
import type { Limits } from "../services/context.ts";
import type { LimitAnswer, LimitRequest, LimitSource } from "./limit-rules.ts";

/** A limiter as its callers see it: RateLimiter, from afar. */
export interface Limiter {
  take(request: LimitRequest): Promise<LimitAnswer>;
  settle(request: LimitRequest, from: LimitSource): Promise<void>;
}

/** @param limiterNamed finds a limiter; there are 64, which come into being when they are needed */
export function createLimits(limiterNamed: (name: string) => Limiter): Limits {
  return {
    take: async (request) => {
      const hashed = await hashKeys(request);
      try {
        const asking = limiterNamed(shareOf(hashed.key)).take(hashed);
        return await withDeadline(asking, ANSWER_DEADLINE_MS);
      } catch (error) {
        return answerWithoutLimiter(error);
      }
    },
    settle: async (request, from) => {
      const hashed = await hashKeys(request);
      try {
        const settling = limiterNamed(shareOf(hashed.key)).settle(hashed, from);
        await withDeadline(settling, ANSWER_DEADLINE_MS);
      } catch (error) {
        // The attempt counts then, which is the safe side.
        logFailure("limits.unavailable", error, {});
      }
    },
  };
}

/** A limiter that has too much to do refuses; one that is away lets pass. */
function answerWithoutLimiter(error: unknown): LimitAnswer {
  logFailure("limits.unavailable", error, {});
  const isBusy =
    error instanceof DeadlineError ||
    (error instanceof Error && "overloaded" in error && error.overloaded === true);
  return isBusy
    ? { allowed: false, retryAfterMs: BUSY_RETRY_MS, isFirst: false }
    : { allowed: true, from: "common" };
}

/** By one character of base64url. An account's known addresses are where its own bucket is. */
function shareOf(hashedKey: string): string {
  return `limits-${hashedKey.slice(0, 1)}`;
}

async function hashKeys(request: LimitRequest): Promise<LimitRequest> {
  const { key, rule, known } = request;
  const hashed = { key: await hash(key), rule };
  return known === undefined
    ? hashed
    : { ...hashed, known: { key: await hash(known.key), rule: known.rule } };
}

async function hash(key: string): Promise<string> {
  return toBase64Url(new Uint8Array(await crypto.subtle.digest("SHA-256", utf8(key))));
}

/** A limiter answers within milliseconds; waiting longer would hold up every login. */
const ANSWER_DEADLINE_MS = 2_000;
/** Long enough for a burst to pass. */
const BUSY_RETRY_MS = 5_000;
