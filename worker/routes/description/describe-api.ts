/**
 * The API's description (OpenAPI 3.1), made from the routes themselves. What holds for many routes
 * alike is said here once, so that no route has to repeat it: names, groups, permissions, and the
 * headers of conditional and of repeatable requests.
 */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { ErrorCode } from "#shared/errors/catalogue.ts";
import { guardOf } from "../caller.ts";
import { SECURITY_SCHEMES } from "../openapi-security.ts";
import { describeProblem, PROBLEM_TYPE, statusOf } from "../problem.ts";
import type { RouteEnv } from "../route-env.ts";
import type { Answer, ApiDescription, Operation, Parameter, Schema } from "./api-description.ts";
import { operationIdOf, SERVICE_TAG, tagOf } from "./operation-names.ts";

/** An operation as a route declares it. */
type Declared = Omit<Operation, "operationId" | "tags" | "security"> &
  Partial<Pick<Operation, "operationId" | "tags" | "security">>;

/** Describes every route of the app; called after all of them are mounted. */
export function describeApi(app: OpenAPIHono<RouteEnv>): ApiDescription {
  const document = app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: { title: "Kerbside", version: "1", description: INTRODUCTION },
    servers: [{ url: "/", description: "The control plane that serves this description." }],
  }) as unknown as Omit<ApiDescription, "paths"> & {
    readonly paths: Readonly<Record<string, Readonly<Record<string, Declared>>>>;
  };
  const permissions = permissionsByRoute(app);
  const paths = Object.fromEntries(
    Object.entries(document.paths).map(([path, methods]) => [
      path,
      Object.fromEntries(
        Object.entries(methods).map(([method, declared]) => {
          const permission = permissions.get(routeKey(method, path));
          return [method, complete(declared, { method, path, permission, document })];
        }),
      ),
    ]),
  );
  return { ...document, tags: tagsOf(paths), paths };
}

interface Place {
  readonly method: string;
  readonly path: string;
  readonly permission: string | undefined;
  readonly document: Pick<ApiDescription, "components">;
}

function complete(declared: Declared, place: Place): Operation {
  const { method, path, permission } = place;
  const security = declared.security ?? [];
  const named = {
    method,
    path,
    isList: method === "get" && isList(declared, place.document),
    isCreating: declared.responses["201"] !== undefined,
  };
  const { operationId = operationIdOf(named), tags = [tagOf(path)], ...rest } = declared;
  const description = [
    ...(rest.description === undefined ? [] : [rest.description]),
    ...(permission === undefined ? [] : [`Needs the permission \`${permission}\`.`]),
  ].join("\n\n");
  const operation: Operation = {
    operationId,
    tags,
    ...rest,
    ...(description === "" ? {} : { description }),
    security,
    responses: withProblems(rest.responses, commonCodes(declared, place)),
    ...(permission === undefined ? {} : { "x-permission": permission }),
  };
  if (security.length === 0) {
    return operation;
  }
  if (method === "post") {
    return asRepeatable(operation);
  }
  return method === "get" && answersJson(operation) ? asConditional(operation) : operation;
}

/** What the middleware of the API refuses, so that no route has to name it. */
function commonCodes(declared: Declared, { method, permission }: Place): ErrorCode[] {
  const hasLogin = (declared.security ?? []).length > 0;
  const hasInput = declared.requestBody !== undefined || (declared.parameters ?? []).length > 0;
  return [
    ...(hasLogin ? AUTH_CODES : []),
    ...(permission === undefined ? [] : FORBIDDEN_CODES),
    ...(method === "get" ? [] : CROSS_ORIGIN_CODES),
    ...(hasInput ? INPUT_CODES : []),
    ...(declared.requestBody === undefined ? [] : BODY_CODES),
  ];
}

/** Every POST of a caller who is logged in can be repeated under a key (repeatable-requests.ts). */
function asRepeatable(operation: Operation): Operation {
  const responses = withProblems(operation.responses, IDEMPOTENCY_CODES);
  return {
    ...operation,
    parameters: [...(operation.parameters ?? []), IDEMPOTENCY_KEY],
    responses: mapSuccesses(responses, (answer) => ({
      ...answer,
      headers: { ...answer.headers, "Idempotency-Replayed": REPLAYED_HEADER },
    })),
  };
}

/** Answers that a caller may have already are not sent again (conditional-answers.ts). */
function asConditional(operation: Operation): Operation {
  const responses = mapSuccesses(operation.responses, (answer) => ({
    ...answer,
    headers: { ...answer.headers, ETag: ETAG_HEADER },
  }));
  return {
    ...operation,
    parameters: [...(operation.parameters ?? []), IF_NONE_MATCH],
    responses: { ...responses, "304": { description: "As `If-None-Match` has it." } },
  };
}

function withProblems(
  responses: Operation["responses"],
  codes: readonly ErrorCode[],
): Operation["responses"] {
  const added = [...Map.groupBy(codes, statusOf)].map(([status, more]): [string, Answer] => {
    const known = responses[status]?.["x-codes"] ?? [];
    const content = { [PROBLEM_TYPE]: { schema: { $ref: PROBLEM_REF } } };
    return [String(status), { ...describeProblem([...new Set([...known, ...more])]), content }];
  });
  return { ...responses, ...Object.fromEntries(added) };
}

function mapSuccesses(
  responses: Operation["responses"],
  map: (answer: Answer) => Answer,
): Operation["responses"] {
  return Object.fromEntries(
    Object.entries(responses).map(([status, answer]) => [
      status,
      status.startsWith("2") ? map(answer) : answer,
    ]),
  );
}

function answersJson({ responses }: Declared): boolean {
  return responses["200"]?.content?.["application/json"] !== undefined;
}

/** Whether it answers a page (see paging.ts). */
function isList(declared: Declared, document: Place["document"]): boolean {
  const schema = declared.responses["200"]?.content?.["application/json"]?.schema;
  const { items, nextCursor } = resolve(schema ?? {}, document).properties ?? {};
  return items !== undefined && nextCursor !== undefined;
}

function resolve(schema: Schema, { components }: Place["document"]): Schema {
  const name = schema.$ref?.split("/").at(-1);
  return name === undefined ? schema : (components.schemas[name] ?? schema);
}

function tagsOf(paths: ApiDescription["paths"]): ApiDescription["tags"] {
  const operations = Object.values(paths).flatMap((methods) => Object.values(methods));
  const names = [...new Set(operations.flatMap(({ tags }) => tags))];
  const ofApi = names.filter((name) => name !== SERVICE_TAG);
  return [...ofApi, SERVICE_TAG].map((name) => {
    const description = TAG_DESCRIPTIONS[name];
    return description === undefined ? { name } : { name, description };
  });
}

/** Which permission guards which route, as the routes' own middleware says. */
function permissionsByRoute(app: OpenAPIHono<RouteEnv>): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const { method, path, handler } of app.routes) {
    const guard = guardOf(handler);
    if (guard !== undefined && guard !== "login") {
      found.set(routeKey(method.toLowerCase(), path), guard);
    }
  }
  return found;
}

/** One form for Hono's `:id` and OpenAPI's `{id}`. */
function routeKey(method: string, path: string): string {
  return `${method} ${path.replaceAll(/:([^/]+)/g, "{$1}")}`;
}

/** Adds the ways to log in; called once for an app. */
export function registerSecurity(app: OpenAPIHono<RouteEnv>): void {
  for (const [name, scheme] of Object.entries(SECURITY_SCHEMES)) {
    app.openAPIRegistry.registerComponent("securitySchemes", name, scheme);
  }
}

const INTRODUCTION =
  "Who may see which console, through which relay, for how long.\n\n" +
  "Log in with `POST /api/v1/auth/login` and send the token as `Authorization: Bearer`. Failures " +
  "are `application/problem+json` (RFC 9457): programs decide by `code`, people read `title`. " +
  "Lists take `limit` and the `nextCursor` of the page before. Ids are opaque, times are RFC 3339 " +
  "in UTC, and fields that are new may appear in any answer.";

const AUTH_CODES: readonly ErrorCode[] = ["auth.required"];
const FORBIDDEN_CODES: readonly ErrorCode[] = ["auth.forbidden"];
const CROSS_ORIGIN_CODES: readonly ErrorCode[] = ["request.cross-origin"];
const INPUT_CODES: readonly ErrorCode[] = ["request.invalid"];
const BODY_CODES: readonly ErrorCode[] = ["request.not-json", "request.too-large"];
const IDEMPOTENCY_CODES: readonly ErrorCode[] = [
  "idempotency.answer-lost",
  "idempotency.in-progress",
  "idempotency.key-reused",
  "idempotency.too-many-keys",
];

const IDEMPOTENCY_KEY: Parameter = {
  name: "Idempotency-Key",
  in: "header",
  required: false,
  description:
    "Up to 255 printable characters of the caller's choice, such as a UUID. A repetition with the " +
    "same key within 24 hours is answered as the first request was, and does nothing.",
  schema: { type: "string", minLength: 1, maxLength: 255 },
};

const IF_NONE_MATCH: Parameter = {
  name: "If-None-Match",
  in: "header",
  required: false,
  description: "The `ETag` of an answer that the caller still has.",
  schema: { type: "string" },
};

const REPLAYED_HEADER = {
  description: "`true` when a request before this one was carried out in its place.",
  schema: { type: "string", enum: ["true"] },
};

const ETAG_HEADER = {
  description: "Changes with the answer; for `If-None-Match`.",
  schema: { type: "string" },
};

const PROBLEM_REF = "#/components/schemas/Problem";

const TAG_DESCRIPTIONS: Readonly<Record<string, string>> = {
  Auth: "Logging in and out.",
  Account: "What is the caller's own.",
  Users: "People, their logins and API tokens.",
  Groups: "People together.",
  "Access rules": "Who may see, open and own which consoles.",
  Shares: "Links that open one console for a guest.",
  Consoles: "The displays of virtual machines, and tickets for them.",
  Sessions: "Who uses which console.",
  Audit: "What happened.",
  Policies: "What sessions may do.",
  "Policy attachments": "Which policy is about whom or what.",
  "Signing keys": "What signs the decisions that relays act on.",
  Secrets: "What is kept sealed, and by which key.",
  Sites: "Sets of relays that reach the same hypervisors.",
  Relays: "The programs that carry consoles to their users.",
  [SERVICE_TAG]: "Whether the control plane works.",
};
