/** Opens the libSQL database over HTTP. One client a request: opening costs nothing, and its
 * internal limits must not be shared between requests. */
import { createClient } from "@libsql/client/web";
import type { LibSQLDatabase } from "drizzle-orm/libsql";
import { drizzle } from "drizzle-orm/libsql/web";
import * as schema from "./schema.ts";

export type Database = LibSQLDatabase<typeof schema>;

/** Inside `database.transaction(async (transaction) => …)`. */
export type Transaction = Parameters<Parameters<Database["transaction"]>[0]>[0];

/** @param url `libsql:`, `https:` or `http:`. */
export function openDatabase(options: {
  readonly url: string;
  readonly authToken: string;
}): Database {
  return drizzle({ client: createClient(options), schema });
}
