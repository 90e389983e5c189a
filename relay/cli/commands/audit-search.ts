/** `kerbside audit search`: what happened. */
import type { AnswerOf } from "#shared/api/client.ts";
import type { Operations } from "#shared/api/operations.ts";
import { ok } from "#shared/base/result.ts";
import { auditSchema } from "../api-schemas.ts";
import { type OptionValues, textOption } from "../command.ts";
import { listCommand } from "../list-command.ts";

export const auditSearchCommand = listCommand({
  name: "audit search",
  summary: "read the audit trail, newest first",
  options: {
    type: { type: "string" },
    console: { type: "string" },
    session: { type: "string" },
    relay: { type: "string" },
  },
  help: `  --type T             events of this type alone, such as ticket.refused
  --console ID         about this console
  --session ID         about this session
  --relay ID           about this relay
`,
  limit: 100,
  operation: "GET /api/v1/audit",
  item: auditSchema,
  given: ({ options }) => ok([{ query: readFilter(options) }]),
  columns: {
    AT: (event) => event.at,
    TYPE: (event) => event.type,
    BY: ({ actor }) => (actor.id === null ? actor.kind : `${actor.kind} ${actor.id}`),
    ABOUT: ({ sessionId, consoleId, relayId }) => sessionId ?? consoleId ?? relayId ?? "-",
    DATA: (event) => JSON.stringify(event.data),
  },
});

type Filter = NonNullable<Operations["GET /api/v1/audit"]["query"]>;
type EventType = AnswerOf<"GET /api/v1/audit">["items"][number]["type"];

function readFilter(options: OptionValues): Filter {
  return {
    // The control plane knows its types, and names them where there is no such one.
    type: (textOption(options, "type") ?? undefined) as EventType | undefined,
    consoleId: textOption(options, "console") ?? undefined,
    sessionId: textOption(options, "session") ?? undefined,
    relayId: textOption(options, "relay") ?? undefined,
  };
}
