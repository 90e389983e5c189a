/** A served database in a folder of its own, gone after the test. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type Client, createClient } from "@libsql/client/web";
import { onTestFinished } from "vitest";

import { type LibsqlServer, startLibsqlServer } from "../../../worker/dev/libsql/server.ts";

import type { Timers } from "../../../worker/dev/libsql/timers.ts";

export const TOKEN = "a token of the tests";

export interface ServedDatabase {
  readonly file: string;
  readonly server: LibsqlServer;
  /** A client of its own, as a Worker makes one a request. */
  readonly connect: (intMode?: "number" | "bigint" | "string") => Client;
}

/** A new empty folder that is removed after the test. */
export async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "kerbside-test-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export async function serveDatabase(
  options: { readonly file?: string; readonly timers?: Timers } = {},
): Promise<ServedDatabase> {
  const file = options.file ?? join(await makeFolder(), "control.db");
  const { timers } = options;
  const server = await startLibsqlServer({
    file,
    authToken: TOKEN,
    ...(timers === undefined ? {} : { timers }),
  });
  onTestFinished(() => server.close());
  return {
    file,
    server,
    connect: (intMode = "number") => createClient({ url: server.url, authToken: TOKEN, intMode }),
  };
}

/** Speaks the protocol by hand, for what the client library never sends. */
export async function postPipeline(
  server: LibsqlServer,
  body: unknown,
  headers: Record<string, string> = { authorization: `Bearer ${TOKEN}` },
): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${server.url}/v2/pipeline`, {
    method: "POST",
    headers,
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}
