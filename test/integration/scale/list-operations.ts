/** The API's lists, read from its own description, and what their filters are tried with. */
import { z } from "zod";
import { LARGE_USERS } from "../../harness/large-rows.ts";
import type { WorkerApp } from "../../harness/worker-app.ts";

export interface ListOperation {
  /** Below the API's path, such as `/users/{id}/groups`. */
  readonly path: string;
  /** The query parameters besides limit and cursor. */
  readonly filters: readonly string[];
  /** Else the list says itself how long its pages are. */
  readonly takesLimit: boolean;
}

const operationSchema = z.object({
  parameters: z.array(z.object({ name: z.string(), in: z.string() })).default([]),
  responses: z.record(z.string(), z.unknown()),
});

const okSchema = z.object({
  content: z.object({ "application/json": z.object({ schema: z.looseObject({}) }) }),
});

/** Every operation that answers with a cursor. */
export function listOperations(app: WorkerApp): ListOperation[] {
  const info = { title: "Kerbside", version: "1" };
  const described = app.getOpenAPI31Document({ openapi: "3.1.0", info });
  const operations: ListOperation[] = [];
  for (const [path, item] of Object.entries(described.paths ?? {})) {
    const { parameters, responses } = operationSchema.parse(item["get"] ?? { responses: {} });
    const answer = okSchema.safeParse(responses["200"]);
    const schema = answer.success ? answer.data.content["application/json"].schema : {};
    if ("nextCursor" in propertiesOf(schema, described.components?.schemas ?? {})) {
      const names = parameters.filter((parameter) => parameter.in === "query");
      const filters = names.map(({ name }) => name).filter((name) => !PAGING.includes(name));
      operations.push({
        path: path.replace(/^\/api\/v1/, ""),
        filters,
        takesLimit: names.some(({ name }) => name === "limit"),
      });
    }
  }
  return operations;
}

function propertiesOf(schema: Readonly<Record<string, unknown>>, components: object): object {
  const { $ref: reference, properties } = schema;
  if (typeof reference === "string") {
    const named = new Map(Object.entries(components)).get(reference.split("/").at(-1) ?? "");
    return propertiesOf(z.looseObject({}).parse(named), components);
  }
  return z.looseObject({}).catch({}).parse(properties);
}

const PAGING = ["limit", "cursor"];

/** What the path's `{id}` is, by what stands before it. */
export const PATH_IDS: Readonly<Record<string, string>> = {
  users: LARGE_USERS.owner,
  groups: "grp_1",
  consoles: "con_0",
  webhooks: "whk_1",
};

/**
 * What each filter is tried with: values that many rows have, and such that few have. `path name`
 * where a name means different things.
 */
export const FILTER_VALUES: Readonly<Record<string, readonly string[]>> = {
  about: ["usr_6"],
  actorId: ["usr_4"],
  address: ["192.0.2.1"],
  consoleId: ["con_0", "con_7"],
  from: [new Date(Date.now() - 20_000_000).toISOString()],
  name: ["vm77-77"],
  namePrefix: ["vm77-", "v"],
  prefix: ["user1", "group1"],
  project: ["project2"],
  "/relays name": ["relay77"],
  "/relays state": ["online", "offline", "draining", "disabled"],
  relayId: ["rly_3"],
  requestId: ["req_77"],
  role: ["auditor", "user"],
  sessionId: ["ses_20"],
  siteId: ["sit_default"],
  "/consoles siteId": ["sit_default", "sit_5", "sit_13"],
  source: ["source1"],
  state: ["live", "pending", "active", "ended"],
  subjectId: [LARGE_USERS.owner, "everyone"],
  tag: ["frequent", "tag3"],
  to: [new Date(Date.now() - 2_000_000).toISOString()],
  policyId: ["pol_1"],
  type: ["session.opened", "user.created", "session.*", "session.opened,relay.serving"],
  userId: [LARGE_USERS.owner, "usr_9"],
};

/** Filters whose value stands in every row under the same name. */
export const EQUAL_FIELDS = [
  "consoleId",
  "name",
  "project",
  "relayId",
  "role",
  "sessionId",
  "source",
  "userId",
];
