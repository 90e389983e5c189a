/** Join tokens: each lets one new relay enrol, within minutes. Shown once, stored as a hash. */
import { newId } from "#shared/base/ids.ts";
import { hashSecretToken, newSecretToken } from "../identity/secret-token.ts";
import { storeJoinToken } from "../repositories/join-tokens.ts";
import { auditRecord } from "./audit-record.ts";
import type { Caller, ServiceContext } from "./context.ts";

export interface IssuedJoinToken {
  readonly joinToken: string;
  readonly expiresAtMs: number;
}

/** Makes a join token. The caller must be an admin; the route has seen to that. */
export async function issueJoinToken(
  context: ServiceContext,
  caller: Caller & { readonly actorId: string },
): Promise<IssuedJoinToken> {
  const joinToken = newSecretToken("joinToken", context.randomBytes);
  const createdAtMs = context.nowMs();
  const expiresAtMs = createdAtMs + JOIN_TOKEN_TTL_MS;
  await storeJoinToken(
    context.database,
    {
      id: newId("joinToken", context.randomBytes),
      tokenHash: await hashSecretToken(joinToken),
      createdBy: caller.actorId,
      createdAtMs,
      expiresAtMs,
    },
    auditRecord(context, caller, {
      type: "join-token.created",
      data: { expiresAt: new Date(expiresAtMs).toISOString() },
    }),
  );
  return { joinToken, expiresAtMs };
}

/** Enough to paste the token into a relay's configuration and start it. */
export const JOIN_TOKEN_TTL_MS = 10 * 60_000;
