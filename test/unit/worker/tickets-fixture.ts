/** A console and its relays for the tests of tickets, over services of the test's own. */
import { compactVerify, importJWK } from "jose";
import { type Grant, grantSchema } from "#shared/ticket/grant.ts";
import { NO_PERMISSIONS } from "../../../worker/identity/permissions.ts";
import { pageAuditTrail } from "../../../worker/services/audit-trail.ts";
import { createConsole } from "../../../worker/services/consoles.ts";
import { publishedKeys } from "../../../worker/services/signing-keys.ts";
import type { ActingUser, Caller } from "../../../worker/services/context.ts";
import type { IssuedTicket } from "../../../worker/services/prepare-ticket.ts";
import { issueTicket } from "../../../worker/services/tickets.ts";
import { type ControlServices, startControlServices } from "../../harness/control-services.ts";

export const SPICE_PASSWORD = "hypervisor-secret";
export const anonymous: Caller = {
  actorKind: "anonymous",
  actorId: null,
  permissions: NO_PERMISSIONS,
  address: "192.0.2.9",
  requestId: "req_file",
};
export const timeout = { code: "control.ack-timeout", detail: "late" } as const;
export const offline = { code: "control.offline", detail: "away" } as const;

async function startWithConsole(relayNames: readonly string[]) {
  const services = await startControlServices();
  const admin = await services.makeCaller("admin", "admin");
  const created = await createConsole(services.context, admin, {
    name: 'Büro / "1"',
    host: "10.0.0.5",
    tlsPort: 5901,
    password: SPICE_PASSWORD,
    source: "static",
  });
  if (!created.ok) {
    throw new Error(created.error.code);
  }
  const relayIds = await Promise.all(relayNames.map((name) => services.makeRelay(name)));
  return { services, admin, consoleId: created.value.id, relayIds };
}

export async function issue(services: ControlServices, caller: ActingUser, id: string) {
  const issued = await issueTicket(services.context, caller, id);
  if (!issued.ok) {
    throw new Error(`${issued.error.code}: ${issued.error.detail}`);
  }
  return issued.value;
}

/** The grants that were pushed, and to whom. */
export function pushedGrants({ pushes }: ControlServices) {
  return pushes.flatMap(({ relayId, command }) =>
    command.kind === "grant" ? [{ relayId, grant: command.grant }] : [],
  );
}

/** Of the grants that were pushed, the one at this place. */
export async function readGrant(services: ControlServices, index: number): Promise<Grant> {
  const { grant = "" } = pushedGrants(services)[index] ?? {};
  const [publicKey] = await publishedKeys(services.context);
  const key = await importJWK({ ...publicKey }, "EdDSA");
  const { payload } = await compactVerify(grant, key);
  return grantSchema.parse(JSON.parse(new TextDecoder().decode(payload)));
}

export const tokenOf = (issued: IssuedTicket) => issued.vvUrl.split("/").at(-1) ?? "";

export async function auditTypes(services: ControlServices, sessionId: string) {
  const page = await pageAuditTrail(services.context, {
    filter: { sessionId },
    after: null,
    limit: 100,
  });
  return page.items.map(({ type }) => type).sort();
}

/** As startWithConsole, ended with the test. */
export async function holdConsole(relayNames: readonly string[]) {
  const started = await startWithConsole(relayNames);
  const end = () => started.services[Symbol.asyncDispose]();
  return { ...started, [Symbol.asyncDispose]: end };
}
