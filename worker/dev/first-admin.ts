/** The first user of a database: nobody could make the admin but whoever owns the database. */
import { randomBytes } from "node:crypto";
import { hasUsers } from "../repositories/first-user.ts";
import { type AdminPassword, FIRST_ADMIN } from "./state-folder.ts";

/** Makes the admin when the database has no user at all; asks for the password only then. */
export async function makeFirstAdmin(
  address: { readonly url: string; readonly authToken: string },
  askPassword: () => AdminPassword,
): Promise<void> {
  if (await hasUsers(address)) {
    return;
  }
  const { openDatabase } = await import("../repositories/database.ts");
  const { createUser } = await import("../services/users.ts");
  const created = await createUser(
    {
      database: openDatabase(address),
      nowMs: () => Date.now(),
      randomBytes: (count) => Uint8Array.from(randomBytes(count)),
    },
    { username: FIRST_ADMIN, password: askPassword().password, role: "admin" },
  );
  if (!created.ok) {
    throw new Error(`The admin could not be created: ${created.error.detail}`);
  }
}
