/**
 * The database of a self-hosted control plane as one process: a libSQL file behind the libSQL HTTP
 * protocol, on the loopback.
 *
 *     LIBSQL_AUTH_TOKEN=… node worker/selfhost/database.ts --file FILE --port PORT
 *
 * Tells its parent `{type: "ready", url}` or `{type: "failed", message}` over IPC, and ends with it.
 * Told CLIENTS_GONE by its parent, it rolls back what they left open.
 */
import { parseArgs } from "node:util";
import { runAsChild } from "../dev/child.ts";
import { DatabaseFileError } from "../dev/libsql/database-file.ts";
import { type LibsqlServer, startLibsqlServer } from "../dev/libsql/server.ts";
import { StartError } from "../dev/state-folder.ts";
import { CLIENTS_GONE } from "./clients-gone.ts";

async function serve(file: string, port: number): Promise<LibsqlServer> {
  try {
    const authToken = process.env["LIBSQL_AUTH_TOKEN"] ?? "";
    return await startLibsqlServer({ file, host: "127.0.0.1", port, authToken });
  } catch (error) {
    throw error instanceof DatabaseFileError ? new StartError(error.message) : error;
  }
}

await runAsChild(async () => {
  const { values } = parseArgs({
    options: { file: { type: "string" }, port: { type: "string" } },
  });
  const server = await serve(values.file ?? "", Number(values.port));
  process.on("message", (message) => {
    if (message === CLIENTS_GONE) {
      server.rollBackAbandoned();
    }
  });
  return { ready: { url: server.url }, stop: () => server.close() };
});
