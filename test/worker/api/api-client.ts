/** The API as tests call it: through the Worker's own fetch, with users of the test's own. */
// First, as in the Worker: schemas that are made before it has run cannot be described.
import "@hono/zod-openapi";
import { env as cloudflareEnv, exports } from "cloudflare:workers";
import { expect } from "vitest";
import { createApp } from "../../../worker/app.ts";
import { createServiceContext } from "../../../worker/context.ts";
import type { Env } from "../../../worker/env.ts";
import type { ServiceContext } from "../../../worker/services/context.ts";
import type { Role } from "../../../worker/identity/permissions.ts";
import { createUser } from "../../../worker/services/users.ts";

/** The bindings that vitest.config.ts provides. */
export const env = cloudflareEnv as unknown as Env;

export const ORIGIN = "https://kerbside.test";
export const PASSWORD = "correct horse battery";

export interface Call {
  readonly method?: string;
  readonly token?: string;
  readonly json?: unknown;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Calls the API; `path` is below /api/v1 unless it is a whole address. */
export async function call(path: string, options: Call = {}): Promise<Response> {
  const headers = new Headers(options.headers);
  if (options.token !== undefined) {
    headers.set("Authorization", `Bearer ${options.token}`);
  }
  if (options.json !== undefined) {
    headers.set("Content-Type", "application/json");
  }
  const body = options.body ?? (options.json === undefined ? null : JSON.stringify(options.json));
  const url = path.startsWith("https:") ? path : `${ORIGIN}/api/v1${path}`;
  const method = options.method ?? (body === null ? "GET" : "POST");
  return await fetchWorker(url, { method, headers, body });
}

export async function fetchWorker(url: string, init: RequestInit): Promise<Response> {
  const worker = (exports as unknown as { default: Fetcher }).default;
  return await worker.fetch(new Request(url, init));
}

/** Calls an application with other settings, in the place of the Worker. */
export async function callWith(
  settings: Partial<Env>,
  path: string,
  init: RequestInit = {},
): Promise<Response> {
  const waitUntil = (): void => undefined;
  const context = { waitUntil, passThroughOnException: waitUntil, props: {} };
  return await createApp().fetch(
    new Request(path.startsWith("http") ? path : `${ORIGIN}/api/v1${path}`, init),
    { ...env, HUB: env.HUB, LIMITS: env.LIMITS, ...settings },
    context,
  );
}

/** A database client of the test's own. */
export function services(): ServiceContext {
  return createServiceContext(env);
}

/** Another name each time: the database is shared by all test files. */
export function uniqueName(prefix: string): string {
  return `${prefix}-${crypto.randomUUID().slice(0, 8)}`;
}

export interface TestUser {
  readonly id: string;
  readonly username: string;
  readonly token: string;
  readonly cookie: string;
}

/** Makes a user and logs in. */
export async function makeUser(role: Role): Promise<TestUser> {
  const username = uniqueName(role);
  const created = await createUser(services(), { username, password: PASSWORD, role });
  if (!created.ok) {
    throw new Error(created.error.code);
  }
  const response = await call("/auth/login", { json: { username, password: PASSWORD } });
  const { token } = await read(response, 200);
  const cookie = response.headers.get("Set-Cookie")?.split(";")[0] ?? "";
  return { id: created.value.id, username, token: String(token), cookie };
}

/** Makes a site, for a test whose consoles are to go to no relays but its own. */
export async function makeSite(
  admin: TestUser,
  fallbackIds: readonly string[] = [],
): Promise<{ readonly id: string; readonly name: string }> {
  const name = uniqueName("site");
  const json = { name, fallbackIds };
  const { id } = await read(await call("/sites", { token: admin.token, json }), 201);
  return { id: String(id), name };
}

/** Grants a user this level of what the match says. Gives the rule's id. */
export async function grant(
  admin: TestUser,
  user: TestUser,
  match: object,
  level = "open",
): Promise<string> {
  const json = { subject: { kind: "user", id: user.id }, match, level };
  const { id } = await read(await call("/access-rules", { token: admin.token, json }), 201);
  return String(id);
}

/** The JSON of a success. */
export async function read(response: Response, status: number): Promise<Record<string, unknown>> {
  const text = await response.text();
  expect(`${response.status} ${response.status === status ? "" : text}`.trim()).toBe(`${status}`);
  return JSON.parse(text) as Record<string, unknown>;
}

/** Expects problem details with this code, and gives them. */
export async function expectProblem(
  response: Response,
  status: number,
  code: string,
): Promise<Record<string, unknown>> {
  const problem = JSON.parse(await response.text()) as Record<string, unknown>;
  expect(problem).toMatchObject({ status, code, type: `urn:kerbside:error:${code}` });
  expect(response.status).toBe(status);
  expect(response.headers.get("Content-Type")).toBe("application/problem+json");
  expect(problem["requestId"]).toBe(response.headers.get("X-Request-Id"));
  expect(problem["title"]).toEqual(expect.any(String));
  expect(problem["retryable"]).toEqual(expect.any(Boolean));
  return problem;
}

/** The names of the fields that a refusal is about. */
export function fieldsOf(problem: Record<string, unknown>): string[] {
  return (problem["fields"] as { field: string }[]).map(({ field }) => field);
}

/** The audit trail as an admin reads it. */
export async function auditOf(
  admin: TestUser,
  query: Readonly<Record<string, string>>,
): Promise<Record<string, unknown>[]> {
  const search = new URLSearchParams(query).toString();
  const page = await read(await call(`/audit?${search}`, { token: admin.token }), 200);
  return page["items"] as Record<string, unknown>[];
}
