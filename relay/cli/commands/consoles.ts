/** `kerbside consoles`: what the user may open. */
import { ok } from "#shared/base/result.ts";
import { consoleSchema } from "../api-schemas.ts";
import { textOption } from "../command.ts";
import { findSiteId } from "../find-by-name.ts";
import { listCommand } from "../list-command.ts";

export const consolesCommand = listCommand({
  name: "consoles",
  summary: "list the consoles that you may open",
  options: { site: { type: "string" } },
  help: "  --site NAME|ID       of this site\n",
  operation: "GET /api/v1/consoles",
  item: consoleSchema,
  given: async ({ options }, client) => {
    const wanted = textOption(options, "site");
    if (wanted === null) {
      return ok([]);
    }
    const siteId = await findSiteId(client, wanted);
    return siteId.ok ? ok([{ query: { siteId: siteId.value } }]) : siteId;
  },
  columns: {
    ID: (console) => console.id,
    NAME: (console) => console.name,
    SOURCE: (console) => console.source,
  },
});
