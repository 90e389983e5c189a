/**
 * The Worker's application over a large database, in this process: requests go to it by function,
 * and what they ask of the database is heard. Hubs acknowledge everything.
 */
import { randomBytes } from "node:crypto";
import Database from "libsql";
import { ok } from "#shared/base/result.ts";
import { startLibsqlServer } from "../../../worker/dev/libsql/server.ts";
import { generateSecrets } from "../../../worker/dev/secrets.ts";
import { hashSecretToken, newSecretToken } from "../../../worker/identity/secret-token.ts";
import { type HeardStatements, listenToDatabase } from "../../harness/heard-statements.ts";
import { makeLargeDatabase } from "../../harness/large-database.ts";
import { LARGE_USERS } from "../../harness/large-rows.ts";
import { makeTempFolder } from "../../harness/temp-folder.ts";
import { loadWorkerApp } from "../../harness/worker-app.ts";

export type LargeUser = keyof typeof LARGE_USERS;

export interface LargeControl extends AsyncDisposable {
  readonly file: string;
  readonly heard: HeardStatements;
  /** A request to a path below the API's. */
  ask(user: LargeUser, method: "GET" | "POST", path: string): Promise<Answer>;
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export async function startLargeControl(): Promise<LargeControl> {
  const folder = await makeTempFolder();
  const file = folder.file("large.db");
  const nowMs = Date.now();
  await makeLargeDatabase({ file, nowMs });
  const tokens = await makeLogins(file, nowMs);
  const authToken = "large";
  const server = await startLibsqlServer({ file, authToken });
  const stub = {
    push: async () => await Promise.resolve(ok(null)),
    tellKeys: async () => await Promise.resolve(ok(null)),
    take: async () => await Promise.resolve({ allowed: true, from: "common" }),
    settle: async () => await Promise.resolve(),
  };
  const namespace = { idFromName: (name: string) => name, get: () => stub };
  const env = {
    ...(await generateSecrets(nowMs)),
    PUBLIC_URL: "https://kerbside.test",
    LIBSQL_URL: server.url,
    LIBSQL_AUTH_TOKEN: authToken,
    KERBSIDE_JOBS: "off",
    HUB: namespace,
    LIMITS: namespace,
  };
  const app = await loadWorkerApp();
  const heard = listenToDatabase();
  return {
    file,
    heard,
    ask: async (user, method, path) => {
      const url = `https://kerbside.test/api/v1${path}`;
      const headers = { Authorization: `Bearer ${tokens[user]}` };
      const answer = await app.fetch(new Request(url, { method, headers }), env, CONTEXT);
      return { status: answer.status, body: await answer.json() };
    },
    [Symbol.asyncDispose]: async () => {
      heard[Symbol.dispose]();
      await server.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** Everybody's token. */
async function makeLogins(file: string, nowMs: number): Promise<Record<LargeUser, string>> {
  const database = new Database(file);
  const insert = database.prepare(
    `INSERT INTO logins (id, user_id, token_hash, created_at_ms, expires_at_ms)
     VALUES (?, ?, ?, ?, ?)`,
  );
  const tokens: [LargeUser, string][] = [];
  for (const [name, id] of Object.entries(LARGE_USERS) as [LargeUser, string][]) {
    const token = newSecretToken("bearer", (count) => randomBytes(count));
    insert.run([`lgn_${name}`, id, await hashSecretToken(token), nowMs, nowMs + DAY_MS]);
    tokens.push([name, token]);
  }
  database.close();
  return Object.fromEntries(tokens) as Record<LargeUser, string>;
}

const CONTEXT = {
  waitUntil: () => undefined,
  passThroughOnException: () => undefined,
  props: {},
};

const DAY_MS = 24 * 60 * 60 * 1000;
