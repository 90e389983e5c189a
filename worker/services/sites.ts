/** Sites: which relays reach the same hypervisors, and who takes over for whom. */
import { unreachable } from "#shared/base/assert.ts";
import { newId } from "#shared/base/ids.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import { isUniqueViolation } from "../repositories/database-errors.ts";
import { DEFAULT_SITE_ID } from "../repositories/schema/sites.ts";
import {
  deleteUnusedSite,
  findSite,
  findUnknownSites,
  insertSite,
  listSites,
  moveSource,
  type Site,
  type SiteUse,
  updateSite,
} from "../repositories/sites.ts";
import { auditRecord } from "./audit-record.ts";
import type { Caller, ServiceContext } from "./context.ts";
import { type FieldFailure, invalidField } from "./field-failure.ts";
import { cutPage, withOneMore } from "./page.ts";

export interface NewSite {
  readonly name: string;
  readonly description: string;
  /** Ids of sites that take over, in order. */
  readonly fallbackIds: readonly string[];
}

export interface SitePatch {
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  readonly fallbackIds?: readonly string[] | undefined;
}

/** A page of sites by name. */
export async function pageSites(
  context: ServiceContext,
  page: { readonly afterName: string | null; readonly limit: number },
): Promise<{ readonly items: Site[]; readonly nextName: string | null }> {
  const rows = await listSites(context.database, withOneMore(page));
  const { items, last } = cutPage(rows, page.limit);
  return { items, nextName: last?.name ?? null };
}

/** Fails with `resource.not-found`. */
export async function readSite(
  context: ServiceContext,
  id: string,
): Promise<Result<Site, Failure>> {
  const site = await findSite(context.database, id);
  return site === null ? NOT_FOUND : ok(site);
}

/** Fails with `request.invalid`, or with `resource.conflict` when the name is taken. */
export async function createSite(
  context: ServiceContext,
  caller: Caller,
  site: NewSite,
): Promise<Result<Site, FieldFailure>> {
  const id = newId("site", context.randomBytes);
  const invalid = await findBadFallback(context, id, site.fallbackIds);
  if (invalid !== null) {
    return fail(invalid);
  }
  const { name } = site;
  const event = { type: "site.created", data: { siteId: id, name } } as const;
  const row = { ...site, id, createdAtMs: context.nowMs() };
  const stored = await refuseTaken(name, async () => {
    await insertSite(context.database, row, auditRecord(context, caller, event));
  });
  return stored.ok ? await readSite(context, id) : stored;
}

/** Fails with `resource.not-found`, `request.invalid`, or `resource.conflict` (the name is taken). */
export async function patchSite(
  context: ServiceContext,
  caller: Caller,
  change: { readonly id: string; readonly patch: SitePatch },
): Promise<Result<Site, FieldFailure>> {
  const { id, patch } = change;
  const { fallbackIds } = patch;
  const invalid = await findBadFallback(context, id, fallbackIds ?? []);
  if (invalid !== null) {
    return fail(invalid);
  }
  const stored = await refuseTaken(patch.name ?? "", async () => {
    await updateSite(context.database, id, (site) => {
      const before = factsOf(site);
      const after = {
        name: patch.name ?? site.name,
        description: patch.description ?? site.description,
        fallbacks: [...(fallbackIds ?? before.fallbacks)],
      };
      const { name, description } = after;
      const event = { type: "site.changed", data: { siteId: id, before, after } } as const;
      return JSON.stringify(before) === JSON.stringify(after)
        ? null
        : {
            changes: { name, description },
            fallbackIds,
            audit: auditRecord(context, caller, event),
          };
    });
  });
  return stored.ok ? await readSite(context, id) : stored;
}

/**
 * Fails with `resource.not-found`, or with `site.in-use` while anything belongs to the site or falls
 * back on it, and always for the default site.
 */
export async function deleteSite(
  context: ServiceContext,
  caller: Caller,
  id: string,
): Promise<Result<null, Failure>> {
  if (id === DEFAULT_SITE_ID) {
    return fail({ code: "site.in-use", detail: "The default site always is." });
  }
  const deletion = { id, nowMs: context.nowMs() };
  const deleted = await deleteUnusedSite(context.database, deletion, ({ name }) =>
    auditRecord(context, caller, { type: "site.deleted", data: { siteId: id, name } }),
  );
  switch (deleted.outcome) {
    case "deleted":
      return ok(null);
    case "none":
      return NOT_FOUND;
    case "used":
      return fail({ code: "site.in-use", detail: describeUse(deleted.use) });
    default:
      return unreachable(deleted);
  }
}

/** Makes a source's consoles belong to a site. Fails with `resource.not-found` or `request.invalid`. */
export async function putSourceSite(
  context: ServiceContext,
  caller: Caller,
  move: { readonly name: string; readonly siteId: string },
): Promise<Result<null, FieldFailure>> {
  const { name, siteId } = move;
  if ((await findSite(context.database, siteId)) === null) {
    return fail(invalidField("siteId", "there is no such site"));
  }
  const moved = await moveSource(context.database, move, (fromSiteId) => {
    const data = { name, fromSiteId, toSiteId: siteId };
    return auditRecord(context, caller, { type: "source.moved", data });
  });
  return moved === null ? NOT_FOUND : ok(null);
}

async function findBadFallback(
  context: ServiceContext,
  id: string,
  fallbackIds: readonly string[],
): Promise<FieldFailure | null> {
  if (fallbackIds.includes(id)) {
    return invalidField("fallbackIds", "a site does not fall back on itself");
  }
  if (new Set(fallbackIds).size < fallbackIds.length) {
    return invalidField("fallbackIds", "names a site twice");
  }
  const [unknown] = await findUnknownSites(context.database, fallbackIds);
  return unknown === undefined ? null : invalidField("fallbackIds", `there is no site ${unknown}`);
}

async function refuseTaken(
  name: string,
  store: () => Promise<void>,
): Promise<Result<null, Failure>> {
  try {
    await store();
    return ok(null);
  } catch (error) {
    if (isUniqueViolation(error)) {
      return fail({ code: "resource.conflict", detail: `A site named ${name} exists.` });
    }
    throw error;
  }
}

function factsOf({ name, description, fallbacks }: Site) {
  return { name, description, fallbacks: fallbacks.map(({ id }) => id) };
}

function describeUse(use: SiteUse): string {
  const words = [
    countOf(use.relays, "relay"),
    countOf(use.sources, "source"),
    countOf(use.consoles, "console"),
    countOf(use.joinTokens, "join token"),
    countOf(use.fallbackOf, "site that falls back on it", "sites that fall back on it"),
  ];
  return `It has ${LIST.format(words.filter((word) => word !== null))}.`;
}

function countOf(count: number, one: string, many = `${one}s`): string | null {
  return count === 0 ? null : `${count} ${count === 1 ? one : many}`;
}

const LIST = new Intl.ListFormat("en-GB");
const NOT_FOUND: Result<never, Failure> = fail({ code: "resource.not-found", detail: "" });
