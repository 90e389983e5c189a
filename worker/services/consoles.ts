/**
 * Consoles: making, listing and deleting them. A console's own password is sealed before it is
 * stored and never leaves again except sealed for a relay.
 */
import { newId, type RandomBytes } from "#shared/base/ids.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import type { PartialPolicy } from "#shared/policy/policy.ts";
import { seal } from "#shared/ticket/seal.ts";
import { may } from "../identity/permissions.ts";
import {
  type ConsoleCursor,
  type ConsoleSummary,
  findConsoleSummary,
  insertConsole,
  listConsoles,
  markConsoleDeleted,
  updateConsole,
} from "../repositories/consoles.ts";
import { isUniqueViolation } from "../repositories/database-errors.ts";
import { findSite } from "../repositories/sites.ts";
import { findSourceId, insertSource } from "../repositories/sources.ts";
import { auditRecord } from "./audit-record.ts";
import { readPolicy, writePolicy } from "./console-policy.ts";
import { isCertificateBundle } from "./certificate-bundle.ts";
import type { Caller, ServiceContext } from "./context.ts";
import { announceDenial, prepareDenial } from "./denials.ts";
import { type FieldFailure, invalidField } from "./field-failure.ts";

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
  readonly siteId?: string | null | undefined;
}

/** What a caller may see of a console: the hypervisor's address and the policy are for who manages consoles. */
export interface ConsoleView {
  readonly id: string;
  readonly name: string;
  readonly uuid: string;
  readonly source: string;
  readonly createdAtMs: number;
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

/** Fails with `request.invalid` and the field, or `resource.conflict` when the uuid is taken. */
export async function createConsole(
  context: ServiceContext,
  caller: Caller,
  input: NewConsole,
): Promise<Result<ConsoleView, FieldFailure>> {
  const invalid =
    findInvalidField({ port: null, tlsPort: null, ca: null, ...defined(input) }) ??
    (await findInvalidSite(context, input.siteId));
  if (invalid !== null) {
    return fail(invalid);
  }
  const sourceId = await resolveSource(context, caller, input.source);
  if (sourceId === null) {
    return fail(invalidField("source", "there is no source with that name"));
  }
  const row = {
    id: newId("console", context.randomBytes),
    sourceId,
    uuid: input.uuid?.toLowerCase() ?? newUuid(context.randomBytes),
    name: input.name,
    host: input.host,
    port: input.port ?? null,
    tlsPort: input.tlsPort ?? null,
    ca: input.ca ?? null,
    hostSubject: input.hostSubject ?? null,
    sealedPassword: await sealPassword(context, input.password),
    proxy: input.proxy ?? null,
    policy: writePolicy(input.policy ?? null),
    siteId: input.siteId ?? null,
    createdAtMs: context.nowMs(),
  };
  const audit = auditRecord(
    context,
    caller,
    { type: "console.created", data: { name: row.name, source: input.source } },
    { consoleId: row.id },
  );
  try {
    await insertConsole(context.database, row, audit);
  } catch (error) {
    if (isUniqueViolation(error)) {
      return fail({ code: "resource.conflict", detail: "The source has a console of that uuid." });
    }
    throw error;
  }
  return ok(viewConsole({ ...row, source: input.source }, caller));
}

/** A page of the consoles that the caller may open, by name. */
export async function pageConsoles(
  context: ServiceContext,
  caller: Caller,
  page: {
    readonly name: string | undefined;
    readonly after: ConsoleCursor | null;
    readonly limit: number;
  },
): Promise<{ readonly items: ConsoleView[]; readonly next: ConsoleCursor | null }> {
  // One more than asked for tells whether there is another page.
  const rows = await listConsoles(context.database, { ...page, limit: page.limit + 1 });
  const shown = rows.slice(0, page.limit).filter((row) => mayOpen(caller, row));
  const last = rows.length > page.limit ? rows[page.limit - 1] : undefined;
  return {
    items: shown.map((row) => viewConsole(row, caller)),
    next: last === undefined ? null : { name: last.name, id: last.id },
  };
}

/** Fails with `resource.not-found`, also for a console that the caller may not open. */
export async function readConsole(
  context: ServiceContext,
  caller: Caller,
  id: string,
): Promise<Result<ConsoleView, Failure>> {
  const row = await findConsoleSummary(context.database, id);
  if (row === null || !mayOpen(caller, row)) {
    return fail({ code: "resource.not-found", detail: "" });
  }
  return ok(viewConsole(row, caller));
}

/** Fails with `request.invalid` and the field, or `resource.not-found`. Living sessions go on. */
export async function changeConsole(
  context: ServiceContext,
  caller: Caller,
  change: { readonly id: string; readonly changes: ConsoleChanges },
): Promise<Result<ConsoleView, FieldFailure>> {
  const { id } = change;
  const { password, policy, ...texts } = defined(change.changes);
  const plain = { ...texts, ...(policy === undefined ? {} : { policy: writePolicy(policy) }) };
  const row = await findConsoleSummary(context.database, id);
  if (row === null) {
    return fail({ code: "resource.not-found", detail: "" });
  }
  const invalid =
    findInvalidField({ ca: null, ...row, ...plain }) ??
    (await findInvalidSite(context, plain.siteId));
  if (invalid !== null) {
    return fail(invalid);
  }
  const fields = Object.keys(defined(change.changes)).sort().join(",");
  if (fields !== "") {
    const sealed =
      password === undefined ? {} : { sealedPassword: await sealPassword(context, password) };
    const data = { name: plain.name ?? row.name, fields };
    await updateConsole(
      context.database,
      { id, changes: { ...plain, ...sealed } },
      auditRecord(context, caller, { type: "console.updated", data }, { consoleId: id }),
    );
  }
  return ok(viewConsole({ ...row, ...plain }, caller));
}

/** Ends its sessions and voids its tickets too. Fails with `resource.not-found`. */
export async function deleteConsole(
  context: ServiceContext,
  caller: Caller,
  id: string,
): Promise<Result<null, Failure>> {
  const about = { subject: "console", id, reason: "the console was deleted" } as const;
  const { denial, audit } = prepareDenial(context, caller, about);
  const deletion = { id, atMs: context.nowMs(), denial };
  const deleted = await markConsoleDeleted(context.database, deletion, ({ name }) => {
    const event = { type: "console.deleted", data: { name } } as const;
    return [auditRecord(context, caller, event, { consoleId: id }), audit];
  });
  if (!deleted) {
    return fail({ code: "resource.not-found", detail: "" });
  }
  await announceDenial(context, about);
  return ok(null);
}

/** Whether the caller may see and open the console: every user may open every console. */
export function mayOpen(caller: Caller, _console: { readonly id: string }): boolean {
  return may(caller, "consoles.open");
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
    createdAtMs: row.createdAtMs,
    target: may(caller, "consoles.manage") ? target : null,
  };
}

function findInvalidField(console: {
  readonly port: number | null;
  readonly tlsPort: number | null;
  readonly ca: string | null;
}): FieldFailure | null {
  if (console.port === null && console.tlsPort === null) {
    return invalidField("tlsPort", "a console needs a port or a tlsPort");
  }
  if (console.ca !== null && !isCertificateBundle(console.ca)) {
    return invalidField("ca", "must be PEM certificates and nothing else");
  }
  return null;
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
  password: string | null | undefined,
): Promise<string | null> {
  return password === undefined || password === null
    ? null
    : await seal(context.settings.secretsKey, password, context.randomBytes);
}

/** A random UUID (RFC 9562, version 4). */
function newUuid(randomBytes: RandomBytes): string {
  const bytes = Uint8Array.from(randomBytes(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

export const STATIC_SOURCE = "static";
