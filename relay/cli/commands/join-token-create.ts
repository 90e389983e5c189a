/** `kerbside join-token create`: lets one new relay enrol. */
import { fail, ok, type Result } from "#shared/base/result.ts";
import { actCommand } from "../act-command.ts";
import type { ApiClient } from "../api-client.ts";
import { joinTokenSchema, siteSchema } from "../api-schemas.ts";
import { collectPages } from "../collect-pages.ts";
import { type CliFailure, failed, misused, textOption } from "../command.ts";
import { printable } from "../printable.ts";

export const joinTokenCreateCommand = actCommand({
  name: "join-token create",
  summary: "make a join token for a new relay",
  about: "Prints a token with which one relay can enrol, once, before it expires.",
  options: {
    name: { type: "string" },
    site: { type: "string" },
    minutes: { type: "string" },
  },
  help: `  --name NAME          the name that the relay must have; default any
  --site SITE          the name of the site that it will belong to; default the default site
  --minutes N          how long the token is good, at most a day; default 10
`,
  operation: "POST /api/v1/relays/join-tokens",
  schema: joinTokenSchema,
  given: async ({ options }, client) => {
    const minutes = textOption(options, "minutes");
    if (minutes !== null && !/^[1-9][0-9]{0,3}$/.test(minutes)) {
      return fail(misused("--minutes must be a whole number of minutes."));
    }
    const siteId = await findSiteId(client, textOption(options, "site"));
    if (!siteId.ok) {
      return siteId;
    }
    const name = textOption(options, "name");
    const body = {
      ...(name === null ? {} : { name }),
      ...(siteId.value === null ? {} : { siteId: siteId.value }),
      ...(minutes === null ? {} : { minutes: Number(minutes) }),
    };
    return ok([{ body }]);
  },
  tell: ({ token, expiresAt }, { options }) => {
    const name = textOption(options, "name");
    const whom = name === null ? "one relay" : `a relay named ${printable(name)}`;
    return { print: token, note: `For ${whom}, until ${printable(expiresAt)}.` };
  },
});

/** People know sites by their names. */
async function findSiteId(
  client: ApiClient,
  name: string | null,
): Promise<Result<string | null, CliFailure>> {
  if (name === null) {
    return ok(null);
  }
  const sites = await collectPages(client.pages("GET /api/v1/sites", siteSchema));
  if (!sites.ok) {
    return sites;
  }
  const site = sites.value.find((candidate) => candidate.name === name);
  const known = sites.value.map((candidate) => printable(candidate.name)).join(", ");
  return site === undefined
    ? fail(failed(`There is no site ${printable(name)}; there are: ${known}.`))
    : ok(site.id);
}
