/** `kerbside join-token create`: lets one new relay enrol. */
import { fail, ok } from "#shared/base/result.ts";
import { actCommand } from "../act-command.ts";
import { joinTokenSchema } from "../api-schemas.ts";
import { misused, givenText, textOption } from "../command.ts";
import { findSiteId } from "../find-by-name.ts";
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
  --site NAME|ID       the site that it will belong to; default the default site
  --minutes N          how long the token is good, at most a day; default 10
`,
  operation: "POST /api/v1/relays/join-tokens",
  fieldNames: { siteId: "--site" },
  schema: joinTokenSchema,
  given: async ({ options }, client) => {
    const minutes = textOption(options, "minutes");
    if (minutes !== null && !/^[1-9][0-9]{0,3}$/.test(minutes)) {
      return fail(misused("--minutes must be a whole number of minutes."));
    }
    const site = textOption(options, "site");
    const siteId = site === null ? ok(undefined) : await findSiteId(client, site);
    if (!siteId.ok) {
      return siteId;
    }
    const body = {
      name: givenText(options, "name"),
      siteId: siteId.value,
      minutes: minutes === null ? undefined : Number(minutes),
    };
    return ok([{ body }]);
  },
  tell: ({ token, expiresAt }, { options }) => {
    const name = textOption(options, "name");
    const whom = name === null ? "one relay" : `a relay named ${printable(name)}`;
    return { print: token, note: `For ${whom}, until ${printable(expiresAt)}.` };
  },
});
