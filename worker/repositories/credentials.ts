/** What ends all of a user's credentials at once, inside the transaction of whatever ends them. */
import { and, eq, isNull, ne } from "drizzle-orm";
import type { Transaction } from "./database.ts";
import { apiTokens, logins } from "./schema/people.ts";

/** Gives how many there were. */
export async function deleteLoginsOfUser(
  transaction: Transaction,
  ending: { readonly userId: string; readonly exceptLoginId: string | null },
): Promise<number> {
  const { userId, exceptLoginId } = ending;
  const ended = await transaction
    .delete(logins)
    .where(
      and(
        eq(logins.userId, userId),
        exceptLoginId === null ? undefined : ne(logins.id, exceptLoginId),
      ),
    )
    .returning({ id: logins.id });
  return ended.length;
}

/** Gives how many were good until then. */
export async function revokeTokensOfUser(
  transaction: Transaction,
  userId: string,
  atMs: number,
): Promise<number> {
  const revoked = await transaction
    .update(apiTokens)
    .set({ revokedAtMs: atMs })
    .where(and(eq(apiTokens.userId, userId), isNull(apiTokens.revokedAtMs)))
    .returning({ id: apiTokens.id });
  return revoked.length;
}
