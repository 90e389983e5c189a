/**
 * Consoles: making, listing and deleting them. A console's own password is sealed before it is
 * stored and never leaves again except sealed for a relay.
 */
import { describeChanges } from "#shared/audit/describe-changes.ts";
import { newId, type RandomBytes } from "#shared/base/ids.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import type { PartialPolicy } from "#shared/policy/policy.ts";
import type { AccessLevel } from "../identity/access-level.ts";
import { may } from "../identity/permissions.ts";
import {
  type ConsoleCursor,
  type ConsoleFilter,
  listConsoles,
} from "../repositories/console-list.ts";
import type { ConsoleSummary } from "../repositories/console-summary.ts";
import {
  type ConsoleBefore,
  findConsoleSummary,
  insertConsole,
  markConsoleDeleted,
  updateConsole,
} from "../repositories/consoles.ts";
import { isUniqueViolation } from "../repositories/database-errors.ts";
import { findSite } from "../repositories/sites.ts";
import { findSourceId, insertSource } from "../repositories/sources.ts";
import { accessTo, judgeConsole, seesAllConsoles } from "./access.ts";
import { auditRecord } from "./audit-record.ts";
import { readPolicy, writePolicy } from "./stored-policy.ts";
import { isCertificateBundle } from "./certificate-bundle.ts";
import type { ActingUser, Caller, ServiceContext } from "./context.ts";
import { announceDenial, prepareDenial } from "./denials.ts";
import { type FieldFailure, invalidField } from "./field-failure.ts";
import { cutPage, withOneMore } from "./page.ts";
import { findPolicyWarnings, type PolicyWarning } from "./policy-warnings.ts";
import { sealSecret } from "./secrets.ts";

/** A new console, its fields' forms already checked. */
export interface NewConsole {
  readonly name: string;
  /** The virtual machine's id in its source; made up when it is not given. */
  readonly uuid?: string | undefined;
  readonly host: string;
  readonly port?: number | undefined;
  readonly tlsPort?: number | undefined;
  /** PEM certificates that may sign the hypervisor's. */
  readonly ca?: string | undefined;
  readonly hostSubject?: string | undefined;
  /** The hypervisor's own SPICE password. */
  readonly password?: string | undefined;
  /** `http://host:port` of an HTTP proxy to dial through. */
  readonly proxy?: string | undefined;
  /** The rules in which its policy differs from the default. */
  readonly policy?: PartialPolicy | undefined;
  /** The site whose relays reach it, when it is not its source's. */
  readonly siteId?: string | undefined;
  readonly source: string;
  /** Its project or namespace in its source. */
  readonly project?: string | undefined;
  readonly tags?: readonly string[] | undefined;
}

/** Fields to change: null takes a value away, an absent field stays as it is. */
export interface ConsoleChanges {
  readonly name?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: number | null | undefined;
  readonly tlsPort?: number | null | undefined;
  readonly ca?: string | null | undefined;
  readonly hostSubject?: string | null | undefined;
  readonly password?: string | null | undefined;
  readonly proxy?: string | null | undefined;
  /** In the place of all rules that it had. */
  readonly policy?: PartialPolicy | null | undefined;
  readonly project?: string | null | undefined;
  /** In the place of all tags that it had. */
  readonly tags?: readonly string[] | undefined;
  readonly siteId?: string | null | undefined;
}

/** What a caller may see of a console: the hypervisor's address and the policy are for who manages consoles. */
export interface ConsoleView {
  readonly id: string;
  readonly name: string;
  readonly uuid: string;
  readonly source: string;
  readonly project: string | null;
  readonly tags: readonly string[];
  readonly createdAtMs: number;
  /** How far the caller's right to it goes. */
  readonly access: AccessLevel;
  readonly target: {
    readonly host: string;
    readonly port: number | null;
    readonly tlsPort: number | null;
    readonly hostSubject: string | null;
    readonly proxy: string | null;
    readonly policy: PartialPolicy | null;
    readonly siteId: string | null;
  } | null;
}

/** A console that was stored, and what of its own policy no relay that is online can keep. */
export interface StoredConsole extends ConsoleView {
  readonly warnings: readonly PolicyWarning[];
}

export interface PagedConsoles {
  readonly items: readonly ConsoleView[];
  readonly next: ConsoleCursor | null;
}

/** Fails with `request.invalid` and the field, or `resource.conflict` when the uuid is taken. */
export async function createConsole(
  context: ServiceContext,
  caller: ActingUser,
  input: NewConsole,
): Promise<Result<StoredConsole, FieldFailure>> {
  const invalid =
    findMissingPort(input) ??
    findInvalidCa(input.ca) ??
    (await findInvalidSite(context, input.siteId));
  if (invalid !== null) {
    return fail(invalid);
  }
  const sourceId = await resolveSource(context, caller, input.source);
  if (sourceId === null) {
    return fail(invalidField("source", "there is no source with that name"));
  }
  const id = newId("console", context.randomBytes);
  const row = {
    id,
    sourceId,
    uuid: input.uuid?.toLowerCase() ?? newUuid(context.randomBytes),
    name: input.name,
    host: input.host,
    port: input.port ?? null,
    tlsPort: input.tlsPort ?? null,
    ca: input.ca ?? null,
    hostSubject: input.hostSubject ?? null,
    sealedPassword: await sealPassword(context, id, input.password),
    proxy: input.proxy ?? null,
    policy: writePolicy(input.policy ?? null),
    siteId: input.siteId ?? null,
    createdAtMs: context.nowMs(),
    project: input.project ?? null,
  };
  const tags = inOrder(input.tags ?? []);
  const data = { name: row.name, source: input.source, ...grouping({ ...input, tags }) };
  const audit = auditRecord(
    context,
    caller,
    { type: "console.created", data },
    { consoleId: row.id },
  );
  // Before it is stored: nothing that fails afterwards may hide that it was.
  const warnings = await findPolicyWarnings(context, input.policy ?? null);
  try {
    await insertConsole(context.database, { row, tags }, audit);
  } catch (error) {
    if (isUniqueViolation(error)) {
      return fail({ code: "resource.conflict", detail: "The source has a console of that uuid." });
    }
    throw error;
  }
  // It may be there for its maker by a rule that it matches; that is looked up when it is asked for.
  const made = { ...row, source: input.source, tags, granted: null };
  return ok({ ...viewConsole(made, caller), warnings });
}

/**
 * A page of the consoles that the caller sees, by name. Fails with `auth.forbidden` where the filter
 * asks for a site and the caller may not know of sites.
 */
export async function pageConsoles(
  context: ServiceContext,
  caller: ActingUser,
  page: {
    readonly filter: ConsoleFilter;
    readonly after: ConsoleCursor | null;
    readonly limit: number;
  },
): Promise<Result<PagedConsoles, Failure>> {
  if (page.filter.siteId !== undefined && !may(caller, "relays.read")) {
    return fail({ code: "auth.forbidden", detail: "Sites are for those who may read relays." });
  }
  const rows = await listConsoles(context.database, {
    ...withOneMore(page),
    userId: caller.actorId,
    seesAll: seesAllConsoles(caller),
  });
  const { items, last } = cutPage(rows, page.limit);
  return ok({
    items: items.map((row) => viewConsole(row, caller)),
    next: last === null ? null : { name: last.name, id: last.id },
  });
}

/** Fails with `resource.not-found`, also for a console that is not there for the caller. */
export async function readConsole(
  context: ServiceContext,
  caller: ActingUser,
  id: string,
): Promise<Result<ConsoleView, Failure>> {
  const row = await findConsoleSummary(context.database, { id, userId: caller.actorId });
  const seen = judgeConsole(caller, row, "view");
  return seen.ok ? ok(viewConsole(seen.value, caller)) : seen;
}

/** Fails with `request.invalid` and the field, or `resource.not-found`. Living sessions go on. */
export async function changeConsole(
  context: ServiceContext,
  caller: ActingUser,
  change: { readonly id: string; readonly changes: ConsoleChanges },
): Promise<Result<StoredConsole, FieldFailure>> {
  const { id } = change;
  const { password, policy, tags: newTags, ...texts } = defined(change.changes);
  const plain = { ...texts, ...(policy === undefined ? {} : { policy: writePolicy(policy) }) };
  const tags = newTags && inOrder(newTags);
  const invalid = findInvalidCa(plain.ca) ?? (await findInvalidSite(context, plain.siteId));
  if (invalid !== null) {
    return fail(invalid);
  }
  const sealed =
    password === undefined ? {} : { sealedPassword: await sealPassword(context, id, password) };
  const fields = Object.keys(defined(change.changes)).sort().join(",");
  const afterOf = (before: ConsoleBefore) => ({
    ...before,
    ...plain,
    ...sealed,
    tags: tags ?? before.tags,
  });
  const wanted = { id, userId: caller.actorId };
  const before = await updateConsole(context.database, wanted, (row) => {
    const after = afterOf(row);
    const invalidNow = findMissingPort(after) ?? findKeptPassword(row, change.changes);
    if (invalidNow !== null || fields === "") {
      return invalidNow === null ? ok(null) : fail(invalidNow);
    }
    const changes = describeChanges(fieldsOf(row), fieldsOf(after), SECRET_FIELDS);
    const { project } = plain;
    const data = { name: after.name, fields, changes, ...grouping({ project, tags }) };
    const event = { type: "console.updated", data } as const;
    const audit = auditRecord(context, caller, event, { consoleId: id });
    return ok({ changes: { ...plain, ...sealed }, tags, audit });
  });
  if (!before.ok || before.value === null) {
    return before.ok ? fail({ code: "resource.not-found", detail: "" }) : before;
  }
  const stored = afterOf(before.value);
  const warnings = await findPolicyWarnings(context, readPolicy(stored.policy));
  return ok({ ...viewConsole(stored, caller), warnings });
}

/** Ends its sessions and voids its tickets too. Fails with `resource.not-found`. */
export async function deleteConsole(
  context: ServiceContext,
  caller: Caller,
  id: string,
): Promise<Result<null, Failure>> {
  const about = { subject: "console", id, reason: "the console was deleted" } as const;
  const denial = prepareDenial(context, caller, about);
  const deletion = { id, atMs: denial.nowMs, denial };
  const deleted = await markConsoleDeleted(context.database, deletion, ({ name }) => {
    const event = { type: "console.deleted", data: { name } } as const;
    return auditRecord(context, caller, event, { consoleId: id });
  });
  if (!deleted) {
    return fail({ code: "resource.not-found", detail: "" });
  }
  await announceDenial(context, about);
  return ok(null);
}

/** What rules go by is told in the audit trail with its values: it may change who sees the console. */
function grouping(given: {
  readonly project?: string | null | undefined;
  readonly tags?: readonly string[] | undefined;
}): { readonly project?: string; readonly tags?: string } {
  const { project, tags } = given;
  return {
    ...(project === undefined ? {} : { project: project ?? "" }),
    ...(tags === undefined ? {} : { tags: tags.join(",") }),
  };
}

/** What may be changed of a console, as it is told. */
function fieldsOf(console: ConsoleBefore) {
  const { name, host, port, tlsPort, ca, hostSubject, proxy, project, tags, siteId } = console;
  const texts = { name, host, port, tlsPort, ca, hostSubject, proxy, project, siteId };
  const policy = readPolicy(console.policy);
  return { ...texts, tags, policy, password: console.sealedPassword };
}

/** Each once, in the order in which they are stored and compared. */
function inOrder(tags: readonly string[]): string[] {
  return [...new Set(tags)].sort();
}

function viewConsole(row: ConsoleSummary, caller: Caller): ConsoleView {
  const { host, port, tlsPort, hostSubject, proxy } = row;
  const { siteId } = row;
  const address = { host, port, tlsPort, hostSubject, proxy };
  const target = { ...address, policy: readPolicy(row.policy), siteId };
  return {
    id: row.id,
    name: row.name,
    uuid: row.uuid,
    source: row.source,
    project: row.project,
    tags: row.tags,
    createdAtMs: row.createdAtMs,
    access: accessTo(caller, row) ?? "view",
    target: may(caller, "consoles.manage") ? target : null,
  };
}

function findMissingPort(console: {
  readonly port?: number | null | undefined;
  readonly tlsPort?: number | null | undefined;
}): FieldFailure | null {
  return (console.port ?? console.tlsPort ?? null) === null
    ? invalidField("tlsPort", "a console needs a port or a tlsPort")
    : null;
}

/**
 * A stored password, which nobody can read, must not be sent to a server that it was not given for
 * by pointing the console there.
 */
function findKeptPassword(before: ConsoleBefore, changes: ConsoleChanges): FieldFailure | null {
  const { host = before.host, proxy = before.proxy, password } = changes;
  const isElsewhere = host !== before.host || proxy !== before.proxy;
  return before.sealedPassword !== null && password === undefined && isElsewhere
    ? invalidField("password", "must be given again, or null, with another host or proxy")
    : null;
}

function findInvalidCa(ca: string | null | undefined): FieldFailure | null {
  return ca === undefined || ca === null || isCertificateBundle(ca)
    ? null
    : invalidField("ca", "must be PEM certificates and nothing else");
}

async function findInvalidSite(
  context: ServiceContext,
  siteId: string | null | undefined,
): Promise<FieldFailure | null> {
  const isMissing =
    siteId !== undefined && siteId !== null && (await findSite(context.database, siteId)) === null;
  return isMissing ? invalidField("siteId", "there is no such site") : null;
}

/** The fields that are there: an absent one must not overwrite what it is spread upon. */
function defined<Fields extends object>(fields: Fields): DefinedFields<Fields> {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as DefinedFields<Fields>;
}

type DefinedFields<Fields> = { [Key in keyof Fields]: Exclude<Fields[Key], undefined> };

/** The source's id; the static source comes into being when it is first needed. */
async function resolveSource(
  context: ServiceContext,
  caller: Caller,
  name: string,
): Promise<string | null> {
  const existing = await findSourceId(context.database, name);
  if (existing !== null || name !== STATIC_SOURCE) {
    return existing;
  }
  const row = {
    id: newId("source", context.randomBytes),
    name,
    kind: "static" as const,
    createdAtMs: context.nowMs(),
  };
  const event = { type: "source.created" as const, data: { name, kind: row.kind } };
  try {
    await insertSource(context.database, row, auditRecord(context, caller, event));
    return row.id;
  } catch (error) {
    if (isUniqueViolation(error)) {
      return await findSourceId(context.database, name);
    }
    throw error;
  }
}

async function sealPassword(
  context: ServiceContext,
  rowId: string,
  password: string | null | undefined,
): Promise<string | null> {
  return password === undefined || password === null
    ? null
    : await sealSecret(context, { column: "consoles.sealed_password", rowId }, password);
}

/** A random UUID (RFC 9562, version 4). */
function newUuid(randomBytes: RandomBytes): string {
  const bytes = Uint8Array.from(randomBytes(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** Of which it is told that they changed. A proxy's address may have a password in it. */
const SECRET_FIELDS = ["password", "proxy"];

export const STATIC_SOURCE = "static";
