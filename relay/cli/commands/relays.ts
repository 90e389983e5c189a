/** `kerbside relays …`: the relays as the control plane knows them, and what it can order. */
import { z } from "zod";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { actCommand } from "../act-command.ts";
import type { ApiClient } from "../api-client.ts";
import { relaySchema } from "../api-schemas.ts";
import { type CliFailure, type Command, misused, textOption } from "../command.ts";
import { findRelayId } from "../find-by-name.ts";
import { listCommand } from "../list-command.ts";
import { readSeconds } from "../policy-options.ts";
import { printable } from "../printable.ts";

const list = listCommand({
  name: "relays",
  summary: "list the relays",
  operation: "GET /api/v1/relays",
  item: relaySchema,
  given: () => ok([]),
  columns: {
    ID: (relay) => relay.id,
    NAME: (relay) => relay.name,
    SITE: (relay) => relay.site.name,
    STATE: ({ state, draining, disabled }) =>
      [state, ...(draining ? ["draining"] : []), ...(disabled ? ["disabled"] : [])].join(", "),
    HOST: ({ host, tlsPort }) => `${host}:${tlsPort}`,
    BUILD: (relay) => relay.build ?? "-",
    SEEN: (relay) => relay.lastSeenAt ?? "-",
  },
});

const drain = actCommand({
  name: "relays drain",
  summary: "give a relay no new sessions",
  positionals: ["RELAY"],
  options: { deadline: { type: "string" } },
  help: "  --deadline T         end living sessions after so long: 30m; default never\n",
  operation: "POST /api/v1/relays/{id}/drain",
  fieldNames: { deadlineS: "--deadline, in seconds," },
  schema: relaySchema,
  given: async ({ options, positionals }, client) => {
    const text = textOption(options, "deadline");
    const deadlineS = text === null ? null : readSeconds(text);
    if (deadlineS === undefined) {
      return fail(misused("--deadline must be a time such as 30m or 8h."));
    }
    const params = await relayParams(positionals, client);
    return params.ok ? ok([{ params: params.value, body: { deadlineS } }]) : params;
  },
  tell: (relay) => ({ note: `${printable(relay.name)} gets no new sessions.` }),
});

const resume = actCommand({
  name: "relays resume",
  summary: "end a drain that was ordered with relays drain",
  positionals: ["RELAY"],
  operation: "POST /api/v1/relays/{id}/resume",
  schema: relaySchema,
  given: async ({ positionals }, client) => {
    const params = await relayParams(positionals, client);
    return params.ok ? ok([{ params: params.value }]) : params;
  },
  tell: (relay) => ({ note: `${printable(relay.name)} gets sessions again.` }),
});

const disable = actCommand({
  name: "relays disable",
  summary: "refuse a relay's link",
  positionals: ["RELAY"],
  options: { "end-sessions": { type: "boolean" } },
  help: "  --end-sessions       end its living sessions too\n",
  operation: "POST /api/v1/relays/{id}/disable",
  schema: relaySchema,
  given: async ({ options, positionals }, client) => {
    const params = await relayParams(positionals, client);
    const body = { endSessions: options["end-sessions"] === true };
    return params.ok ? ok([{ params: params.value, body }]) : params;
  },
  tell: (relay) => ({ note: `${printable(relay.name)} is disabled.` }),
});

const enable = actCommand({
  name: "relays enable",
  summary: "let a disabled relay link again",
  positionals: ["RELAY"],
  operation: "POST /api/v1/relays/{id}/enable",
  schema: relaySchema,
  given: async ({ positionals }, client) => {
    const params = await relayParams(positionals, client);
    return params.ok ? ok([{ params: params.value }]) : params;
  },
  tell: (relay) => ({ note: `${printable(relay.name)} is enabled.` }),
});

const remove = actCommand({
  name: "relays delete",
  summary: "delete a relay for good",
  positionals: ["RELAY"],
  operation: "DELETE /api/v1/relays/{id}",
  schema: z.null(),
  given: async ({ positionals }, client) => {
    const params = await relayParams(positionals, client);
    return params.ok ? ok([{ params: params.value }]) : params;
  },
  tell: () => ({ note: "Deleted." }),
});

export const RELAY_COMMANDS: readonly Command[] = [list, drain, resume, disable, enable, remove];

async function relayParams(
  [wanted = ""]: readonly string[],
  client: ApiClient,
): Promise<Result<{ readonly id: string }, CliFailure>> {
  const id = await findRelayId(client, wanted);
  return id.ok ? ok({ id: id.value }) : id;
}
