/** The database of a control plane on this machine, for commands that work on its file. */
import { randomBytes } from "node:crypto";
import { startLibsqlServer } from "./libsql/server.ts";

export interface DatabaseAddress {
  readonly url: string;
  readonly authToken: string;
}

/**
 * Serves the file for as long as the work takes, to whoever knows the address alone. The control
 * plane may serve it at the same time.
 */
export async function withDatabaseFile<Value>(
  file: string,
  work: (address: DatabaseAddress) => Promise<Value>,
): Promise<Value> {
  const authToken = randomBytes(TOKEN_BYTES).toString("base64url");
  const server = await startLibsqlServer({ file, authToken });
  try {
    return await work({ url: server.url, authToken });
  } finally {
    await server.close();
  }
}

const TOKEN_BYTES = 32;
