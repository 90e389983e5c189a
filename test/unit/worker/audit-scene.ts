/** A control plane in which every kind of change can be made, for tests of the audit trail. */
import { createApiToken } from "../../../worker/services/api-tokens.ts";
import type { ActingUser } from "../../../worker/services/context.ts";
import { createConsole } from "../../../worker/services/consoles.ts";
import { createGroup } from "../../../worker/services/groups.ts";
import { issueJoinToken } from "../../../worker/services/join-tokens.ts";
import { authenticate, logIn } from "../../../worker/services/login.ts";
import { issueShare } from "../../../worker/services/shares.ts";
import { issueTicket } from "../../../worker/services/tickets.ts";
import { type ControlServices, TEST_PASSWORD } from "../../harness/control-services.ts";

/** A control plane in use: everything that a change can be about is there. */
export interface Scene {
  readonly services: ControlServices;
  readonly context: ControlServices["context"];
  readonly admin: ActingUser;
  readonly relayId: string;
  readonly consoleId: string;
  readonly loginId: string;
  readonly apiTokenId: string;
  readonly apiToken: string;
  readonly groupId: string;
  readonly joinToken: string;
  readonly ruleId: string;
  readonly shareId: string;
  readonly shareToken: string;
  /** Pending, with its console file not fetched. */
  readonly sessionId: string;
  readonly fileToken: string;
}

export async function setScene(services: ControlServices): Promise<Scene> {
  const { context } = services;
  const admin = await services.makeCaller("admin", "admin");
  const relayId = await services.makeRelay("relay");
  const login = await logIn(context, admin, { username: "admin", password: TEST_PASSWORD });
  const authenticated = await authenticate(context, login.ok ? login.value.token : "");
  const loginId = authenticated?.credential.id ?? "";
  const group = await createGroup(context, admin, { name: "group", description: null });
  const groupId = group.ok ? group.value.id : "";
  const made = await createApiToken(context, admin, {
    name: "script",
    scopes: ["consoles.read"],
    lifeDays: 1,
  });
  const apiTokenId = made.ok ? made.value.id : "";
  const apiToken = made.ok ? made.value.token : "";
  const created = await createConsole(context, admin, CONSOLE);
  const consoleId = created.ok ? created.value.id : "";
  const issued = await issueTicket(context, admin, consoleId);
  const { sessionId = "", vvUrl = "" } = issued.ok ? issued.value : {};
  const token = await issueJoinToken(context, admin);
  const joinToken = token.ok ? token.value.joinToken : "";
  const fileToken = vvUrl.split("/").at(-1) ?? "";
  const ruleId = await services.grant(admin, consoleId);
  const link = await issueShare(context, admin, { consoleId, expiresInS: 60, usesMax: 1 });
  const shareId = link.ok ? link.value.share.id : "";
  const shareToken = link.ok ? (link.value.url.split("#")[1] ?? "") : "";
  return {
    services,
    context,
    admin,
    relayId,
    consoleId,
    loginId,
    apiTokenId,
    apiToken,
    groupId,
    joinToken,
    ruleId,
    shareId,
    shareToken,
    sessionId,
    fileToken,
  };
}

export const CONSOLE = { name: "a", host: "10.0.0.5", port: 5900, source: "static" };
