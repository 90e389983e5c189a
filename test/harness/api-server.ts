/**
 * The control plane's whole HTTP API in Node, over a database of the test's own: what the Worker
 * serves, but for relays' hubs and the clock, which are Durable Objects. Ends with `await using`.
 */
import "reflect-metadata";
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { startLibsqlServer } from "../../worker/dev/libsql/server.ts";
import { migrateDatabase } from "../../worker/dev/migrate/migrate-database.ts";
import { generateSecrets } from "../../worker/dev/secrets.ts";
import type { Role } from "../../worker/identity/permissions.ts";
import type { ServiceContext } from "../../worker/services/context.ts";
import { createUser } from "../../worker/services/users.ts";
import { TEST_PASSWORD } from "./control-services.ts";
import { makeTempFolder } from "./temp-folder.ts";

export interface ApiServer extends AsyncDisposable {
  readonly url: string;
  readonly context: ServiceContext;
  /** Makes somebody whose password is TEST_PASSWORD. */
  addUser(username: string, role: Role): Promise<void>;
}

/** @param settings of the Worker, over those of the harness. */
export async function startApiServer(
  settings: Readonly<Record<string, string>> = {},
): Promise<ApiServer> {
  const folder = await makeTempFolder();
  const authToken = randomBytes(24).toString("base64url");
  const database = await startLibsqlServer({ file: folder.file("control.db"), authToken });
  await migrateDatabase({ url: database.url, authToken });
  const { createApp, createServiceContext } = await importWorker();
  const app = createApp();
  const bindings: Record<string, unknown> = {};
  const server = createServer((request, response) => {
    const { method = "GET", url = "/", headers } = request;
    const body = ["GET", "HEAD"].includes(method) ? null : Readable.toWeb(request);
    const asked = new Request(new URL(url, `http://${headers.host}`), {
      method,
      headers: new Headers(headers as Record<string, string>),
      body: body as ReadableStream | null,
      ...({ duplex: "half" } as object),
    });
    void answer(asked);
    async function answer(given: Request): Promise<void> {
      const answered = await app.fetch(given, bindings, NO_EXTENSION);
      response.writeHead(answered.status, Object.fromEntries(answered.headers));
      if (answered.body === null) {
        response.end();
        return;
      }
      Readable.fromWeb(answered.body as never)
        .on("error", () => response.destroy())
        .pipe(response);
    }
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  Object.assign(bindings, await generateSecrets(Date.now()), {
    LIBSQL_URL: database.url,
    LIBSQL_AUTH_TOKEN: authToken,
    PUBLIC_URL: url,
    KERBSIDE_JOBS: "off",
    ...settings,
  });
  const context = createServiceContext(bindings);
  return {
    url,
    context,
    addUser: async (username, role) => {
      const created = await createUser(context, { username, password: TEST_PASSWORD, role });
      if (!created.ok) {
        throw new Error(created.error.code);
      }
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
      await database.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

interface WorkerModules {
  readonly createApp: () => {
    fetch(request: Request, env: object, extension: object): Response | Promise<Response>;
  };
  readonly createServiceContext: (env: object) => ServiceContext;
}

/** By address: its types are workerd's, which this project's tests in Node do not know. */
async function importWorker(): Promise<WorkerModules> {
  const modules = await Promise.all(
    ["app", "context"].map(
      async (name): Promise<object> =>
        await import(new URL(`../../worker/${name}.ts`, import.meta.url).href),
    ),
  );
  return Object.assign({}, ...modules) as WorkerModules;
}

/** What is deferred goes on by itself in Node. */
const NO_EXTENSION = { waitUntil: () => undefined, passThroughOnException: () => undefined };
