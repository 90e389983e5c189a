/** `kerbside consoles`: what the user may open. */
import { ok } from "#shared/base/result.ts";
import { consoleSchema } from "../api-schemas.ts";
import { listCommand } from "../list-command.ts";

export const consolesCommand = listCommand({
  name: "consoles",
  summary: "list the consoles that you may open",
  operation: "GET /api/v1/consoles",
  item: consoleSchema,
  given: () => ok([]),
  columns: {
    ID: (console) => console.id,
    NAME: (console) => console.name,
    SOURCE: (console) => console.source,
  },
});
