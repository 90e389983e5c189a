/**
 * The life of a key that signs grants, pure:
 *
 *     next ──► active ──► retired
 *
 * Each is known to relays and to everybody else from its first day, so that nothing is signed with
 * a key that somebody who verifies may not have; a retired one is accepted until all that it signed
 * has expired.
 */
import { fail, ok, type Result } from "#shared/base/result.ts";
import { RELAY_CLOCK_SKEW_SECONDS } from "#shared/control/limits.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import type { SigningKeyRow } from "../repositories/signing-keys.ts";
import { TICKET_TTL_MS } from "./ticket-life.ts";

type KeyLife = Pick<SigningKeyRow, "kid" | "state" | "createdAtMs" | "verifiesUntilMs">;

/** Who is retired, and who follows. */
export interface RotationPlan {
  readonly retire: string;
  /** Until when what it signed is accepted. */
  readonly verifiesUntilMs: number;
  /** The key that was to come next, and what becomes of it. */
  readonly next: { readonly kid: string; readonly becomes: "active" | "retired" } | null;
  /** In which states new keys are made. */
  readonly make: readonly ("active" | "next")[];
}

/**
 * What a rotation does. In an emergency both keys go at once, because whoever has read one may have
 * read the other. Fails with `signing-key.not-published` while the next key is too young.
 */
export function planRotation(
  keys: readonly KeyLife[],
  nowMs: number,
  isEmergency: boolean,
): Result<RotationPlan, Failure> {
  const active = keys.find(({ state }) => state === "active");
  const next = keys.find(({ state }) => state === "next") ?? null;
  if (active === undefined) {
    return fail({ code: "signing-key.changed", detail: "no key is active" });
  }
  if (isEmergency) {
    return ok({
      retire: active.kid,
      verifiesUntilMs: nowMs,
      next: next === null ? null : { kid: next.kid, becomes: "retired" },
      make: ["active", "next"],
    });
  }
  const waitMs = next === null ? PUBLISHED_MS_MIN : next.createdAtMs + PUBLISHED_MS_MIN - nowMs;
  if (next === null || waitMs > 0) {
    const detail = `It can sign in ${Math.ceil(waitMs / 1000)} seconds.`;
    return fail({ code: "signing-key.not-published", detail });
  }
  return ok({
    retire: active.kid,
    verifiesUntilMs: nowMs + SIGNED_LIFE_MS,
    next: { kid: next.kid, becomes: "active" },
    make: ["next"],
  });
}

/** Whether what the key signed is accepted. */
export function isAccepted(key: Pick<KeyLife, "verifiesUntilMs">, nowMs: number): boolean {
  return key.verifiesUntilMs === null || nowMs < key.verifiesUntilMs;
}

/** Whether the clock asks for another key. */
export function isRotationDue(active: Pick<SigningKeyRow, "activatedAtMs">, nowMs: number) {
  return nowMs - (active.activatedAtMs ?? 0) >= SIGNING_KEY_LIFE_MS;
}

/** How long an isolate signs with the key that it has read, without asking again. */
export const SIGNING_KEY_CACHE_MS = 60_000;

/** How long the published set may be kept by whoever fetches it, in seconds. */
export const JWKS_MAX_AGE_S = 300;

/** How long a key signs: a month, as most issuers of tokens have it. */
export const SIGNING_KEY_LIFE_MS = 30 * 24 * 3_600_000;

/** Before a key signs everybody's copy must hold it: ours, theirs, and a margin for slow ones. */
export const PUBLISHED_MS_MIN = 2 * (SIGNING_KEY_CACHE_MS + JWKS_MAX_AGE_S * 1000);

/** From a key's retirement to the end of the last grant that an isolate signed with it. */
export const SIGNED_LIFE_MS =
  SIGNING_KEY_CACHE_MS + TICKET_TTL_MS + 2 * RELAY_CLOCK_SKEW_SECONDS * 1000;
