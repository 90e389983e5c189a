/** `kerbside sites …`: the sets of relays that reach the same hypervisors. */
import { z } from "zod";
import { ok, type Result } from "#shared/base/result.ts";
import { actCommand } from "../act-command.ts";
import type { ApiClient } from "../api-client.ts";
import { siteSchema } from "../api-schemas.ts";
import { type CliFailure, type Command, givenText, textOption } from "../command.ts";
import { findSiteId } from "../find-by-name.ts";
import { listCommand } from "../list-command.ts";
import { printable } from "../printable.ts";

const list = listCommand({
  name: "sites",
  summary: "list the sites",
  operation: "GET /api/v1/sites",
  item: siteSchema,
  given: () => ok([]),
  columns: {
    ID: (site) => site.id,
    NAME: (site) => site.name,
    "TAKEN OVER BY": (site) => site.fallbacks.map(({ name }) => name).join(", ") || "-",
    DESCRIPTION: (site) => site.description,
  },
});

const add = actCommand({
  name: "sites add",
  summary: "make a site",
  positionals: ["NAME"],
  options: { description: { type: "string" }, fallback: { type: "string" } },
  help: `  --description TEXT   what it is
  --fallback LIST      sites whose relays take over, in this order: names or ids by comma
`,
  operation: "POST /api/v1/sites",
  fieldNames: { name: "NAME", fallbackIds: "--fallback" },
  schema: siteSchema,
  given: async ({ options, positionals: [name = ""] }, client) => {
    const fallbackIds = await siteIds(textOption(options, "fallback"), client);
    if (!fallbackIds.ok) {
      return fallbackIds;
    }
    const description = givenText(options, "description");
    return ok([{ body: { name, description, fallbackIds: fallbackIds.value } }]);
  },
  tell: (site) => ({ print: site.id, note: `Made ${printable(site.name)}.` }),
});

const remove = actCommand({
  name: "sites delete",
  summary: "delete a site",
  positionals: ["SITE"],
  operation: "DELETE /api/v1/sites/{id}",
  schema: z.null(),
  given: async ({ positionals: [wanted = ""] }, client) => {
    const id = await findSiteId(client, wanted);
    return id.ok ? ok([{ params: { id: id.value } }]) : id;
  },
  tell: () => ({ note: "Deleted." }),
});

export const SITE_COMMANDS: readonly Command[] = [list, add, remove];

async function siteIds(
  text: string | null,
  client: ApiClient,
): Promise<Result<string[] | undefined, CliFailure>> {
  if (text === null) {
    return ok(undefined);
  }
  const ids: string[] = [];
  for (const wanted of text.split(",")) {
    const id = await findSiteId(client, wanted.trim());
    if (!id.ok) {
      return id;
    }
    ids.push(id.value);
  }
  return ok(ids);
}
