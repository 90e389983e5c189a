/**
 * Whether a database has any user, asked at each start of a host. By the plain client, because
 * loading the query builder takes longer than all the rest of such a start.
 */
import { createClient } from "@libsql/client/web";

/** The schema has to be there. */
export async function hasUsers(database: {
  readonly url: string;
  readonly authToken: string;
}): Promise<boolean> {
  const client = createClient({ ...database });
  try {
    const { rows } = await client.execute("SELECT 1 FROM users LIMIT 1");
    return rows.length > 0;
  } finally {
    client.close();
  }
}
