/**
 * Things by what people call them: an id is taken as it is, a name is looked for. A name that
 * several have is refused with a list of them.
 */
import { type IdKind, isId } from "#shared/base/ids.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { sayCommand } from "../program.ts";
import type { ApiClient } from "./api-client.ts";
import {
  type ConsoleItem,
  consoleSchema,
  groupSchema,
  relaySchema,
  siteSchema,
  userSchema,
} from "./api-schemas.ts";
import { collectPages } from "./collect-pages.ts";
import { type CliFailure, failed } from "./command.ts";
import { formatTable, printable } from "./printable.ts";

type Pages<Item> = AsyncIterable<Result<readonly Item[], CliFailure>>;

/** By id when it looks like one, else by name; a name that several consoles have is refused. */
export async function findConsole(
  client: ApiClient,
  wanted: string,
): Promise<Result<ConsoleItem, CliFailure>> {
  if (isId("console", wanted)) {
    const params = { id: wanted };
    return client.call("GET /api/v1/consoles/{id}", consoleSchema, { params });
  }
  const query = { name: wanted };
  const listed = await collectPages(client.pages("GET /api/v1/consoles", consoleSchema, { query }));
  if (!listed.ok) {
    return listed;
  }
  const matches = listed.value.filter((candidate) => candidate.name === wanted);
  const [only] = matches;
  if (only === undefined) {
    const sentence = `No console is called ${printable(wanted)}. See them: ${sayCommand("consoles")}.`;
    return fail(failed(sentence));
  }
  if (matches.length > 1) {
    const rows = matches.map(({ id, name, source }) => [id, name, source]);
    const table = formatTable(["ID", "NAME", "SOURCE"], rows).trimEnd();
    const sentence = `${matches.length} consoles are called ${printable(wanted)}; name the one that is meant by its id:`;
    return fail(failed(`${sentence}\n${table}`));
  }
  return ok(only);
}

/** The id of a user who is named by it or by the user name, in any case. */
export async function findUserId(
  client: ApiClient,
  wanted: string,
): Promise<Result<string, CliFailure>> {
  const search = () => client.pages("GET /api/v1/users", userSchema, { query: { prefix: wanted } });
  return findId(wanted, { kind: "user", list: "users", search, nameOf: (user) => user.username });
}

export async function findGroupId(
  client: ApiClient,
  wanted: string,
): Promise<Result<string, CliFailure>> {
  const search = () =>
    client.pages("GET /api/v1/groups", groupSchema, { query: { prefix: wanted } });
  return findId(wanted, { kind: "group", list: "groups", search, nameOf: (group) => group.name });
}

export async function findRelayId(
  client: ApiClient,
  wanted: string,
): Promise<Result<string, CliFailure>> {
  const search = () => client.pages("GET /api/v1/relays", relaySchema);
  return findId(wanted, { kind: "relay", list: "relays", search, nameOf: (relay) => relay.name });
}

export async function findSiteId(
  client: ApiClient,
  wanted: string,
): Promise<Result<string, CliFailure>> {
  const search = () => client.pages("GET /api/v1/sites", siteSchema);
  return findId(wanted, { kind: "site", list: "sites", search, nameOf: (site) => site.name });
}

interface Kind<Item> {
  readonly kind: IdKind;
  /** The command that lists them. */
  readonly list: string;
  readonly search: () => Pages<Item>;
  readonly nameOf: (item: Item) => string;
}

/** For names that are unique in any case. */
async function findId<Item extends { readonly id: string }>(
  wanted: string,
  { kind, list, search, nameOf }: Kind<Item>,
): Promise<Result<string, CliFailure>> {
  if (isId(kind, wanted)) {
    return ok(wanted);
  }
  const listed = await collectPages(search());
  if (!listed.ok) {
    return listed;
  }
  const name = wanted.toLowerCase();
  // An id of another form, such as the default site's, is found among the ids.
  const found =
    listed.value.find((item) => nameOf(item).toLowerCase() === name) ??
    listed.value.find((item) => item.id === wanted);
  const sentence = `No ${kind} is called ${printable(wanted)}. See them: ${sayCommand(list)}.`;
  return found === undefined ? fail(failed(sentence)) : ok(found.id);
}
