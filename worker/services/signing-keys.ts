/**
 * The keys that sign grants: where they come from, which one signs, how they change. Private halves
 * are sealed in the database and gone once a key is retired. The first key of an installation is the
 * setting GRANT_SIGNING_KEY, where there is one; from then on the database alone decides.
 */
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK } from "jose";
import type { AuditEvent } from "#shared/audit/events.ts";
import { assert } from "#shared/base/assert.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import { GRANT_ALGORITHM } from "#shared/ticket/grant.ts";
import { isUniqueViolation } from "../repositories/database-errors.ts";
import {
  insertSigningKeys,
  listNewestSigningKeys,
  type NewSigningKeyRow,
  type SigningKeyRow,
} from "../repositories/signing-keys.ts";
import { auditRecord, SYSTEM_CALLER } from "./audit-record.ts";
import type { PrivateSigningKey, ServiceContext } from "./context.ts";
import { sealSecret, unsealSecret } from "./secrets.ts";
import type { ReadSigningKeys, SigningKey } from "./signing-key-cache.ts";
import { isAccepted } from "./signing-key-rules.ts";

/** A public key as whoever verifies gets it. */
export interface PublishedKey {
  readonly kty: "OKP";
  readonly crv: "Ed25519";
  readonly x: string;
  readonly kid: string;
  /** Until when what it signed is accepted; absent: it is in use, or will be. */
  readonly untilMs?: number;
}

/** The key to sign with now. Fails with `signing-key.unreadable`. */
export async function activeSigningKey(
  context: ServiceContext,
): Promise<Result<SigningKey, Failure>> {
  const read = await readThroughCache(context);
  return read.ok ? ok(read.value.active) : read;
}

/** Every key that is accepted, as the database has them now: the one in use first. */
export async function publishedKeys(context: ServiceContext): Promise<PublishedKey[]> {
  return publish(await ensureSigningKeys(context), context.nowMs());
}

/** As {@link publishedKeys}, and as old as a minute: for those who ask often. */
export async function recentPublishedKeys(context: ServiceContext): Promise<PublishedKey[]> {
  const read = await readThroughCache(context);
  return read.ok
    ? publish(read.value.rows, context.nowMs())
    : // Whoever only verifies needs no private half.
      await publishedKeys(context);
}

/** A key as admins see it: the private half, though sealed, is not among it. */
export type SigningKeyView = Omit<SigningKeyRow, "sealedPrivateKey">;

/** The newest keys, newest first. */
export async function listSigningKeys(context: ServiceContext): Promise<SigningKeyView[]> {
  const rows = await ensureSigningKeys(context);
  return rows.map(({ sealedPrivateKey: _sealed, ...view }) => view);
}

/** The newest keys, newest first; what is missing is made. */
export async function ensureSigningKeys(context: ServiceContext): Promise<SigningKeyRow[]> {
  const rows = await listNewestSigningKeys(context.database);
  const missing = (["active", "next"] as const).filter(
    (state) => !rows.some((row) => row.state === state),
  );
  if (missing.length === 0) {
    return rows;
  }
  const made = await Promise.all(
    missing.map(async (state) => {
      const given =
        state === "active" && rows.length === 0 ? context.settings.grantSigningKey : null;
      return await makeSigningKey(context, state, given);
    }),
  );
  const audits = made
    .flatMap(eventsOfNew)
    .map((event) => auditRecord(context, SYSTEM_CALLER, event));
  try {
    await insertSigningKeys(context.database, made, audits);
  } catch (error) {
    if (!isUniqueViolation(error)) {
      throw error;
    }
    // Somebody else has just made them.
  }
  return await listNewestSigningKeys(context.database);
}

/** A new key, its private half sealed; of `given` when there is one. */
export async function makeSigningKey(
  context: ServiceContext,
  state: "active" | "next",
  given: PrivateSigningKey | null = null,
): Promise<NewSigningKeyRow> {
  const { kid, x, d } = given ?? (await generateKey());
  const createdAtMs = context.nowMs();
  return {
    kid,
    publicKey: x,
    sealedPrivateKey: await sealSecret(context, placeOf(kid), d),
    state,
    createdAtMs,
    activatedAtMs: state === "active" ? createdAtMs : null,
  };
}

/** What the audit trail is told of a key that was made. */
export function eventsOfNew({ kid, state }: NewSigningKeyRow): AuditEvent[] {
  const created = { type: "signing-key.created", data: { kid } } as const;
  return state === "active"
    ? [created, { type: "signing-key.activated", data: { kid } }]
    : [created];
}

async function readThroughCache(
  context: ServiceContext,
): Promise<Result<ReadSigningKeys, Failure>> {
  const nowMs = context.nowMs();
  const kept = context.signingKeys.read(nowMs);
  if (kept !== null) {
    return ok(kept);
  }
  const rows = await ensureSigningKeys(context);
  const row = rows.find(({ state }) => state === "active");
  assert(row !== undefined, "a key is active once the keys are made sure of");
  const active = await openKey(context, row);
  if (!active.ok) {
    return active;
  }
  const read = { rows, active: active.value };
  context.signingKeys.keep(read, nowMs);
  return ok(read);
}

async function openKey(
  context: ServiceContext,
  row: SigningKeyRow,
): Promise<Result<SigningKey, Failure>> {
  const { kid, publicKey: x, sealedPrivateKey } = row;
  const d =
    sealedPrivateKey === null ? null : await unsealSecret(context, placeOf(kid), sealedPrivateKey);
  if (d === null) {
    return fail({ code: "signing-key.unreadable", detail: "" });
  }
  const key = await importJWK({ kty: "OKP", crv: "Ed25519", x, d }, GRANT_ALGORITHM);
  assert(!(key instanceof Uint8Array), "an Ed25519 JWK is no secret");
  return ok({ kid, key });
}

function publish(rows: readonly SigningKeyRow[], nowMs: number): PublishedKey[] {
  const order = { active: 0, next: 1, retired: 2 } as const;
  return rows
    .filter((row) => isAccepted(row, nowMs))
    .toSorted((left, right) => order[left.state] - order[right.state])
    .slice(0, PUBLISHED_MAX)
    .map(({ kid, publicKey: x, verifiesUntilMs }) => ({
      ...{ kty: "OKP" as const, crv: "Ed25519" as const, x, kid },
      ...(verifiesUntilMs === null ? {} : { untilMs: verifiesUntilMs }),
    }));
}

async function generateKey(): Promise<Pick<PrivateSigningKey, "kid" | "x" | "d">> {
  const pair = await generateKeyPair(GRANT_ALGORITHM, { crv: "Ed25519", extractable: true });
  const jwk = await exportJWK(pair.privateKey);
  const { x, d } = jwk;
  assert(x !== undefined && d !== undefined, "an Ed25519 private JWK has x and d");
  return { x, d, kid: await calculateJwkThumbprint(jwk) };
}

function placeOf(kid: string) {
  return { column: "signing_keys.sealed_private_key", rowId: kid } as const;
}

/** A welcome's bound (shared/control/contract.ts). */
const PUBLISHED_MAX = 8;
