/** Relays as admins see them, how a new one joins, and how each proves who it is. */
import { decodeJwt } from "jose";
import { fromBase64Url } from "#shared/base/bytes.ts";
import { isId, newId } from "#shared/base/ids.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { EnrolAnswer, EnrolRequest } from "#shared/control/enrolment.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import { hashSecretToken, isSecretToken } from "../identity/secret-token.ts";
import { isUniqueViolation } from "../repositories/database-errors.ts";
import { findUsableJoinToken } from "../repositories/join-tokens.ts";
import {
  findRelay,
  findSitedRelay,
  listRelays,
  type RelayFilter,
  type SitedRelay,
  storeEnrolledRelay,
} from "../repositories/relays.ts";
import { DEFAULT_SITE_ID } from "../repositories/schema/sites.ts";
import { settleAttempt, takeAttempt } from "./attempts.ts";
import { auditRecord } from "./audit-record.ts";
import { readAuthority } from "./authority-key.ts";
import { signRelayCertificate } from "./certificate-authority.ts";
import type { Caller, LinkReport, ServiceContext } from "./context.ts";
import { type FieldFailure, invalidField } from "./field-failure.ts";
import { cutPage, withOneMore } from "./page.ts";
import { findTokenKey, fingerprintOf, noteKeyUse } from "./relay-keys.ts";
import { unauthorized } from "./relay-tokens.ts";

/** What a list of relays may be narrowed to. */
export const RELAY_STATES = ["online", "offline", "draining", "disabled"] as const;

/** A page of relays by name. */
export async function pageRelays(
  context: ServiceContext,
  page: {
    readonly filter: RelayFilter;
    readonly afterName: string | null;
    readonly limit: number;
  },
): Promise<{ readonly items: SitedRelay[]; readonly nextName: string | null }> {
  const rows = await listRelays(context.database, withOneMore(page));
  const { items, last } = cutPage(rows, page.limit);
  return { items, nextName: last?.name ?? null };
}

/** A relay, and what its hub knows at this moment; null: the hub did not say. */
export interface RelayHealth {
  readonly relay: SitedRelay;
  readonly link: LinkReport | null;
}

/** Fails with `resource.not-found`. */
export async function readRelay(
  context: ServiceContext,
  id: string,
): Promise<Result<RelayHealth, Failure>> {
  const relay = await findSitedRelay(context.database, id);
  return relay === null
    ? fail({ code: "resource.not-found", detail: "" })
    : ok({ relay, link: await context.hubs.report(id) });
}

/**
 * Takes a new relay in: its join token is used up, its public key is stored, its certificate is
 * signed. Fails with `join-token.invalid`, `request.invalid`, `relay.csr-invalid`,
 * `authority.key-missing`, `authority.key-unreadable` or `resource.conflict` (the name is taken),
 * with each of which the token is still good; or with `request.rate-limited`.
 */
export async function enrolRelay(
  context: ServiceContext,
  caller: Caller,
  request: EnrolRequest,
): Promise<Result<EnrolAnswer, FieldFailure>> {
  const { database, settings } = context;
  const nowMs = context.nowMs();
  // Asked first, so that strangers cannot make us check requests and sign certificates.
  const found = await findToken(context, caller, request);
  if (!found.ok) {
    return found;
  }
  const { token, tokenHash } = found.value;
  const key = fromBase64Url(request.publicKey);
  if (key?.length !== ED25519_KEY_BYTES) {
    return fail(invalidField("publicKey", "the x of an Ed25519 JWK: base64url of 32 bytes"));
  }
  const authority = await readAuthority(context);
  if (!authority.ok) {
    return authority;
  }
  const signed = await signRelayCertificate(authority.value, request, {
    nowMs,
    randomBytes: context.randomBytes,
  });
  if (!signed.ok) {
    return signed;
  }
  const { name, host, tlsPort, publicKey } = request;
  const { certificate, hostSubject, endsAtMs } = signed.value;
  const id = newId("relay", context.randomBytes);
  const relay = {
    id,
    name,
    publicKey,
    host,
    tlsPort,
    certificate,
    hostSubject,
    certificateEndsAtMs: endsAtMs,
    ticketEpoch: FIRST_TICKET_EPOCH,
    state: "offline" as const,
    siteId: token.siteId ?? DEFAULT_SITE_ID,
    enrolledAtMs: nowMs,
  };
  const enrolled = { name, fingerprint: await fingerprintOf(publicKey) };
  const event = { type: "relay.enrolled" as const, data: enrolled };
  const audit = auditRecord(context, caller, event, { relayId: id });
  try {
    if (!(await storeEnrolledRelay(database, { tokenHash, relay, audit }))) {
      return fail({ code: "join-token.invalid", detail: "" });
    }
  } catch (error) {
    if (isUniqueViolation(error)) {
      return fail({ code: "resource.conflict", detail: `A relay named ${name} exists.` });
    }
    throw error;
  }
  return ok({
    relayId: id,
    controlUrl: settings.publicUrl,
    ca: settings.caCertificate,
    certificate,
    hostSubject,
  });
}

/** The join token that the request came with. Each miss counts as an attempt. */
async function findToken(context: ServiceContext, caller: Caller, request: EnrolRequest) {
  const attempt = await takeAttempt(context, caller, "enrolment");
  if (!attempt.ok) {
    return attempt;
  }
  const { joinToken, name } = request;
  const tokenHash = await hashSecretToken(joinToken);
  const token = isSecretToken("joinToken", joinToken)
    ? await findUsableJoinToken(context.database, tokenHash, context.nowMs())
    : null;
  if (token === null) {
    return fail({ code: "join-token.invalid" as const, detail: "" });
  }
  await settleAttempt(context, attempt.value);
  return token.name === null || token.name === name
    ? ok({ token, tokenHash })
    : fail(invalidField("name", `the join token is for a relay named ${token.name}`));
}

/**
 * The id of the relay that signed the token. Fails with `relay.unauthorized`, whose detail is for
 * operators and says which check failed, never what the token holds; and with `relay.disabled` or
 * `relay.deleted`, which only who proved to be that relay is told.
 */
export async function authenticateRelay(
  context: ServiceContext,
  token: string,
): Promise<Result<string, Failure>> {
  const relayId = claimedRelay(token);
  const row = relayId === null ? null : await findRelay(context.database, relayId);
  if (row === null) {
    return unauthorized("the token names no relay that is enrolled here");
  }
  const used = await findTokenKey(context, row, token);
  if (!used.ok) {
    return used;
  }
  if (row.deletedAtMs !== null) {
    return fail({ code: "relay.deleted", detail: row.name });
  }
  if (row.disabledAtMs !== null) {
    return fail({ code: "relay.disabled", detail: row.name });
  }
  await noteKeyUse(context, row, used.value);
  return ok(row.id);
}

/** Whom the token is said to be from: unverified, only to find the key. */
function claimedRelay(token: string): string | null {
  if (token.length > RELAY_TOKEN_CHARACTERS_MAX) {
    return null;
  }
  try {
    const { sub } = decodeJwt(token);
    return sub !== undefined && isId("relay", sub) ? sub : null;
  } catch {
    return null;
  }
}

const ED25519_KEY_BYTES = 32;
const FIRST_TICKET_EPOCH = 1;
/** A relay's token has some 350 characters. */
const RELAY_TOKEN_CHARACTERS_MAX = 2048;
