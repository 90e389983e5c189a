/** To whom rules can give something: people and groups, as far as rules need to know them. */
import { and, eq, isNull } from "drizzle-orm";
import type { Role } from "../identity/permissions.ts";
import type { Database } from "./database.ts";
import { groups, users } from "./schema/people.ts";

export interface Person {
  readonly username: string;
  readonly role: Role;
  readonly disabledAtMs: number | null;
}

/** Null when there is no such user, or no longer. */
export async function findPerson(database: Database, id: string): Promise<Person | null> {
  const [row] = await database
    .select({ username: users.username, role: users.role, disabledAtMs: users.disabledAtMs })
    .from(users)
    .where(and(eq(users.id, id), isNull(users.deletedAtMs)))
    .limit(1);
  return row ?? null;
}

export async function findGroupName(database: Database, id: string): Promise<string | null> {
  const [row] = await database
    .select({ name: groups.name })
    .from(groups)
    .where(eq(groups.id, id))
    .limit(1);
  return row?.name ?? null;
}
