/**
 * API tokens: credentials for programs, with a part of their user's permissions and an end. Shown
 * once, stored as a hash. What a token may do is judged at each request by what its user's role
 * holds then. A token makes no tokens and changes no passwords.
 */
import { unreachable } from "#shared/base/assert.ts";
import { newId } from "#shared/base/ids.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import {
  isGivenToTokens,
  NO_PERMISSIONS,
  type Permission,
  tokenPermissions,
} from "../identity/permissions.ts";
import { hashSecretToken, newSecretToken } from "../identity/secret-token.ts";
import { judgeUse, readUses, writeUses } from "../identity/token-uses.ts";
import {
  type ApiTokenCursor,
  type ApiTokenOwner,
  type ApiTokenSummary,
  findApiToken,
  listApiTokens,
  noteTokenUse,
  revokeApiToken,
  storeApiToken,
} from "../repositories/api-tokens.ts";
import { auditRecord } from "./audit-record.ts";
import type {
  ActingUser,
  Authenticated,
  Caller,
  RequestOrigin,
  ServiceContext,
} from "./context.ts";
import { type FieldFailure, invalidField } from "./field-failure.ts";
import { cutPage, timeCursor, withOneMore } from "./page.ts";
import { runLater } from "./run-later.ts";

export interface ApiTokenView extends Omit<ApiTokenSummary, "scopes"> {
  readonly scopes: readonly string[];
}

export interface IssuedApiToken extends ApiTokenView {
  /** Shown once. */
  readonly token: string;
}

/**
 * Makes a token for the caller. Fails with `request.invalid` when it is to hold what the caller
 * does not, with `resource.limit-reached`, or with `auth.required` for a user who was disabled
 * meanwhile.
 */
export async function createApiToken(
  context: ServiceContext,
  caller: ActingUser,
  wanted: {
    readonly name: string;
    readonly scopes: readonly Permission[];
    readonly lifeDays: number;
  },
): Promise<Result<IssuedApiToken, FieldFailure>> {
  const scopes = [...new Set(wanted.scopes)].sort();
  const excess = scopes.filter(
    (scope) => !caller.permissions.has(scope) || !isGivenToTokens(scope),
  );
  if (excess.length > 0) {
    return fail(invalidField("scopes", `you cannot give ${excess.join(", ")}`));
  }
  const token = newSecretToken("apiToken", context.randomBytes);
  const createdAtMs = context.nowMs();
  const row = {
    id: newId("apiToken", context.randomBytes),
    name: wanted.name,
    createdAtMs,
    expiresAtMs: createdAtMs + wanted.lifeDays * DAY_MS,
    lastUsedAtMs: null,
    lastUsedAddress: null,
    revokedAtMs: null,
  };
  const stored = await storeApiToken(
    context.database,
    {
      ...row,
      userId: caller.actorId,
      tokenHash: await hashSecretToken(token),
      scopes: JSON.stringify(scopes),
    },
    TOKENS_OF_USER_MAX,
    auditRecord(context, caller, {
      type: "token.created",
      data: {
        tokenId: row.id,
        userId: caller.actorId,
        name: row.name,
        scopes: scopes.join(" "),
        expiresAt: new Date(row.expiresAtMs).toISOString(),
      },
    }),
  );
  switch (stored) {
    case "stored":
      return ok({ ...row, scopes, token });
    case "too-many":
      return fail({
        code: "resource.limit-reached",
        detail: `At most ${TOKENS_OF_USER_MAX} tokens.`,
      });
    case "user-gone":
      return fail({ code: "auth.required", detail: "The user was disabled." });
    default:
      return unreachable(stored);
  }
}

/** A page of a user's tokens, newest first. */
export async function pageApiTokens(
  context: ServiceContext,
  page: {
    readonly userId: string;
    readonly after: ApiTokenCursor | null;
    readonly limit: number;
  },
): Promise<{ readonly items: ApiTokenView[]; readonly next: ApiTokenCursor | null }> {
  const rows = await listApiTokens(context.database, withOneMore(page));
  const { items, last } = cutPage(rows, page.limit);
  return {
    items: items.map((row) => ({ ...row, scopes: readScopes(row.scopes) })),
    next: timeCursor(last),
  };
}

/** Fails with `resource.not-found`. A token that is revoked already is a success. */
export async function endApiToken(
  context: ServiceContext,
  caller: Caller,
  token: { readonly id: string; readonly userId: string },
): Promise<Result<null, Failure>> {
  const revocation = { ...token, atMs: context.nowMs() };
  const isThere = await revokeApiToken(context.database, revocation, ({ name }) =>
    auditRecord(context, caller, {
      type: "token.revoked",
      data: { tokenId: token.id, userId: token.userId, name },
    }),
  );
  return isThere ? ok(null) : fail({ code: "resource.not-found", detail: "" });
}

/** Who the token's text belongs to; null when it is unknown, expired or revoked. */
export async function authenticateToken(
  context: ServiceContext,
  text: string,
  from: RequestOrigin,
): Promise<Authenticated | null> {
  const token = await findApiToken(context.database, await hashSecretToken(text), context.nowMs());
  if (token === null) {
    return null;
  }
  const { id, userId, role } = token;
  await noteUse(context, token, from);
  return {
    credential: { kind: "token", id },
    userId,
    role,
    permissions: tokenPermissions(role, readScopes(token.scopes)),
  };
}

async function noteUse(
  context: ServiceContext,
  token: ApiTokenOwner,
  from: RequestOrigin,
): Promise<void> {
  const { id, userId, lastUsedAtMs } = token;
  const use = { address: from.address, atMs: context.nowMs() };
  const { told, isNews, isNoted } = judgeUse(
    readUses(token.recentUses),
    { atMs: lastUsedAtMs },
    use,
  );
  if (!isNoted) {
    return;
  }
  const actor: Caller = {
    ...from,
    actorKind: "user",
    actorId: userId,
    permissions: NO_PERMISSIONS,
  };
  const event = { type: "token.used", data: { tokenId: id, userId } } as const;
  const audit = isNews ? auditRecord(context, actor, event) : null;
  const patch = {
    lastUsedAtMs: use.atMs,
    lastUsedAddress: use.address,
    recentUses: writeUses(told),
  };
  await runLater(context, "token.use", async () => {
    await noteTokenUse(context.database, { id, before: token, patch }, audit);
  });
}

function readScopes(text: string): string[] {
  return JSON.parse(text) as string[];
}

const DAY_MS = 24 * 60 * 60 * 1000;
/** A token that nobody remembers must end some day. */
export const TOKEN_LIFE_DAYS_MAX = 365;
export const TOKEN_NAME_CHARACTERS_MAX = 100;
/** More programs than one person runs. */
const TOKENS_OF_USER_MAX = 100;
