/** The users' table. User names are compared without regard to case (the column's collation). */
import { eq } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import type { Database } from "./database.ts";
import { users } from "./schema/people.ts";
import { storeWithAudit } from "./store-with-audit.ts";

export interface UserCredentials {
  readonly id: string;
  readonly username: string;
  readonly passwordHash: string;
}

/** @throws {Error} a unique violation when the name is taken (see database-errors.ts). */
export async function insertUser(
  database: Database,
  user: typeof users.$inferInsert,
  audit: AuditRecord,
): Promise<void> {
  await storeWithAudit(database, [audit], () => [database.insert(users).values(user)]);
}

export async function findCredentials(
  database: Database,
  username: string,
): Promise<UserCredentials | null> {
  const [row] = await database
    .select({ id: users.id, username: users.username, passwordHash: users.passwordHash })
    .from(users)
    .where(eq(users.username, username))
    .limit(1);
  return row ?? null;
}
