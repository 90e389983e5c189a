/** What operations are called where their routes do not say. */
import { describe, expect, it } from "vitest";
import { operationIdOf, tagOf } from "../../../worker/routes/description/operation-names.ts";

const name = (call: string, kind: "list" | "creating" | "other" = "other"): string => {
  const [method = "", path = ""] = call.split(" ");
  return operationIdOf({
    method,
    path: `/api/v1${path}`,
    isList: kind === "list",
    isCreating: kind === "creating",
  });
};

describe("an operation's name", () => {
  it.each([
    ["get /consoles", "list", "listConsoles"],
    ["get /consoles/{id}", "other", "readConsole"],
    ["post /consoles", "creating", "createConsole"],
    ["patch /policies/{id}", "other", "changePolicy"],
    ["put /groups/{id}/members/{userId}", "other", "replaceGroupMember"],
    ["delete /groups/{id}/members/{userId}", "other", "deleteGroupMember"],
    ["delete /users/{id}/logins", "other", "deleteUserLogins"],
    ["delete /users/{id}/logins/{loginId}", "other", "deleteUserLogin"],
    ["put /users/{id}/password", "other", "replaceUserPassword"],
    ["get /sessions/{id}/channels", "list", "listSessionChannels"],
    ["post /consoles/{id}/tickets", "creating", "createConsoleTicket"],
    ["post /relays/join-tokens", "creating", "createRelayJoinToken"],
    ["post /sessions/{id}/terminate", "other", "terminateSession"],
    ["post /consoles/{id}/sessions/terminate", "other", "terminateConsoleSessions"],
    ["get /audit", "list", "listAudit"],
    ["get /relays/{id}/status", "other", "readRelayStatus"],
  ] as const)("of %s is its verb and its nouns", (call, kind, expected) => {
    expect(name(call, kind)).toBe(expected);
  });

  it("is in the group of the path's first word", () => {
    expect(tagOf("/api/v1/consoles/{id}/tickets")).toBe("Consoles");
    expect(tagOf("/api/v1/api-tokens")).toBe("Api tokens");
    expect(tagOf("/healthz")).toBe("Service");
  });
});
