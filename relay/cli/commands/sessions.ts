/** `kerbside sessions`: who uses which console. */
import type { Operations } from "#shared/api/operations.ts";
import { ok, type Result } from "#shared/base/result.ts";
import type { ApiClient } from "../api-client.ts";
import { type SessionItem, sessionSchema } from "../api-schemas.ts";
import { type CliFailure, type OptionValues, textOption } from "../command.ts";
import { findConsole, findRelayId, findUserId } from "../find-by-name.ts";
import { listCommand } from "../list-command.ts";

export const sessionsCommand = listCommand({
  name: "sessions",
  summary: "list sessions, newest first",
  options: {
    all: { type: "boolean" },
    console: { type: "string" },
    user: { type: "string" },
    relay: { type: "string" },
    from: { type: "string" },
    to: { type: "string" },
  },
  help: `  --all                ended sessions too
  --console NAME|ID    of this console
  --user NAME|ID       of this user
  --relay NAME|ID      through this relay
  --from T             begun then or later, such as 2026-03-01T12:00:00Z
  --to T               begun before
`,
  operation: "GET /api/v1/sessions",
  item: sessionSchema,
  given: async ({ options }, client) => {
    const query = await readFilter(options, client);
    return query.ok ? ok([{ query: query.value }]) : query;
  },
  columns: {
    ID: (session) => session.id,
    CONSOLE: (session) => session.console.name,
    USER: nameUser,
    STATE: ({ state, endReason }) => (endReason === null ? state : `${state}: ${endReason}`),
    RELAY: (session) => session.relay?.name ?? "-",
    CREATED: (session) => session.createdAt,
  },
  none: (options) => (options["all"] === true ? "None.\n" : "None; --all shows ended ones.\n"),
});

/** A guest's session is the one of whoever issued the link. */
function nameUser({ user, share }: SessionItem): string {
  const name = user?.username ?? "-";
  if (share === null || share === undefined) {
    return name;
  }
  return share.label === null ? `${name} (guest)` : `${name} (guest: ${share.label})`;
}

type Filter = NonNullable<Operations["GET /api/v1/sessions"]["query"]>;

async function readFilter(
  options: OptionValues,
  client: ApiClient,
): Promise<Result<Filter, CliFailure>> {
  const named = { console: findConsoleId, user: findUserId, relay: findRelayId } as const;
  const ids: Record<string, string> = {};
  for (const [option, find] of Object.entries(named)) {
    const wanted = textOption(options, option);
    const found = wanted === null ? null : await find(client, wanted);
    if (found !== null && !found.ok) {
      return found;
    }
    if (found !== null) {
      ids[`${option}Id`] = found.value;
    }
  }
  return ok({
    state: options["all"] === true ? undefined : "live",
    ...ids,
    from: textOption(options, "from") ?? undefined,
    to: textOption(options, "to") ?? undefined,
  });
}

async function findConsoleId(
  client: ApiClient,
  wanted: string,
): Promise<Result<string, CliFailure>> {
  const found = await findConsole(client, wanted);
  return found.ok ? ok(found.value.id) : found;
}
