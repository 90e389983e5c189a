/** `kerbside join-token create`: lets one new relay enrol. */
import { fail, ok, type Result } from "#shared/base/result.ts";
import { API_OPTIONS, API_OPTIONS_HELP, type ApiClient, withApi } from "../api-client.ts";
import { joinTokenSchema, siteSchema } from "../api-schemas.ts";
import { collectPages } from "../collect-pages.ts";
import {
  type CliFailure,
  type Command,
  EXIT,
  failed,
  misused,
  parseCommand,
  textOption,
} from "../command.ts";
import { printable } from "../printable.ts";

export const joinTokenCreateCommand: Command = {
  name: "join-token create",
  summary: "make a join token for a new relay (admins)",
  help: `Usage: kerbside join-token create [--name NAME] [--site SITE] [--minutes N] [--json]

Prints a token with which one relay can enrol, once, before it expires.

  --name NAME          the name that the relay must have; default any
  --site SITE          the name of the site that it will belong to; default the default site
  --minutes N          how long the token is good, at most a day; default 10
  --json               id, token and expiry as JSON
${API_OPTIONS_HELP}`,
  run: async (args, tools) => {
    const parsed = parseCommand(args, {
      ...API_OPTIONS,
      name: { type: "string" },
      site: { type: "string" },
      minutes: { type: "string" },
      json: { type: "boolean" },
    });
    if (!parsed.ok) {
      return parsed;
    }
    const { options } = parsed.value;
    const minutes = textOption(options, "minutes");
    if (minutes !== null && !/^[1-9][0-9]{0,3}$/.test(minutes)) {
      return fail(misused("--minutes must be a whole number of minutes."));
    }
    return withApi(options, tools, async (client) => {
      const siteId = await findSiteId(client, textOption(options, "site"));
      if (!siteId.ok) {
        return siteId;
      }
      const name = textOption(options, "name");
      const wish = {
        ...(name === null ? {} : { name }),
        ...(siteId.value === null ? {} : { siteId: siteId.value }),
        ...(minutes === null ? {} : { minutes: Number(minutes) }),
      };
      const made = await client.call("POST", "/api/v1/relays/join-tokens", joinTokenSchema, wish);
      if (!made.ok) {
        return made;
      }
      const { token, expiresAt } = made.value;
      tools.print(options["json"] === true ? `${JSON.stringify(made.value)}\n` : `${token}\n`);
      const whom = name === null ? "one relay" : `a relay named ${printable(name)}`;
      tools.note(`For ${whom}, until ${printable(expiresAt)}.\n`);
      return ok(EXIT.done);
    });
  },
};

/** People know sites by their names. */
async function findSiteId(
  client: ApiClient,
  name: string | null,
): Promise<Result<string | null, CliFailure>> {
  if (name === null) {
    return ok(null);
  }
  const sites = await collectPages(client.pages("/api/v1/sites", siteSchema));
  if (!sites.ok) {
    return sites;
  }
  const site = sites.value.find((candidate) => candidate.name === name);
  const known = sites.value.map((candidate) => printable(candidate.name)).join(", ");
  return site === undefined
    ? fail(failed(`There is no site ${printable(name)}; there are: ${known}.`))
    : ok(site.id);
}
