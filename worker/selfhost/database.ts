/**
 * The database of a self-hosted control plane as one process: a libSQL file behind the libSQL HTTP
 * protocol, on the loopback.
 *
 *     LIBSQL_AUTH_TOKEN=… node worker/selfhost/database.ts --file FILE --port PORT
 *
 * Tells its parent `{type: "ready", url}` or `{type: "failed", message}` over IPC, and ends with it.
 */
import { parseArgs } from "node:util";
import { runAsChild } from "../dev/child.ts";
import { DatabaseFileError } from "../dev/libsql/database-file.ts";
import { type LibsqlServer, startLibsqlServer } from "../dev/libsql/server.ts";
import { StartError } from "../dev/state-folder.ts";

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
  return { ready: { url: server.url }, stop: () => server.close() };
});
