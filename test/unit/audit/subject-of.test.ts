import { describe, expect, it } from "vitest";
import type { AuditEvent, AuditRecord } from "#shared/audit/events.ts";
import { subjectOf } from "#shared/audit/subject-of.ts";
import { auditRow } from "../../../worker/repositories/audit-events.ts";

const ABOUT: readonly (readonly [AuditEvent, string | null])[] = [
  [
    { type: "user.password-set", data: { userId: "usr_1", username: "a", loginsEnded: 0 } },
    "usr_1",
  ],
  [{ type: "login.ended", data: { userId: "usr_1", count: 1 } }, "usr_1"],
  [{ type: "token.used", data: { tokenId: "tok_1", userId: "usr_1" } }, "tok_1"],
  [{ type: "group.created", data: { groupId: "grp_1", name: "a" } }, "grp_1"],
  [
    { type: "group.member-added", data: { groupId: "grp_1", userId: "usr_1", origin: "local" } },
    "usr_1",
  ],
  [{ type: "policy.deleted", data: { policyId: "pol_1", name: "a", rules: "{}" } }, "pol_1"],
  [{ type: "site.created", data: { siteId: "sit_1", name: "a" } }, "sit_1"],
  [{ type: "signing-key.created", data: { kid: "k" } }, "k"],
  [{ type: "session.opened", data: {} }, null],
];

const CIRCUMSTANCES: Omit<AuditRecord, "event"> = {
  id: "aud_1",
  atMs: 1,
  actorKind: "system",
  actorId: null,
  address: null,
  requestId: null,
  consoleId: null,
  sessionId: null,
  relayId: null,
};

describe("an event", () => {
  it.each(ABOUT)("%j is about what its data names", (event, subject) => {
    expect(subjectOf(event)).toBe(subject);
    expect(auditRow({ ...CIRCUMSTANCES, event }).subjectId).toBe(subject);
  });

  it("is about what whoever recorded it says", () => {
    const event = { type: "user.logged-out", data: {} } as const;
    expect(auditRow({ ...CIRCUMSTANCES, subjectId: "usr_2", event }).subjectId).toBe("usr_2");
  });

  it("about a console, a session or a relay is found by that", () => {
    const denied = (id: string): AuditEvent => ({
      type: "denial.added",
      data: { subject: "console", id, reason: "x" },
    });
    const row = auditRow({ ...CIRCUMSTANCES, event: denied("con_1") });
    expect(row).toMatchObject({ consoleId: "con_1", subjectId: null });
    expect(auditRow({ ...CIRCUMSTANCES, event: denied("usr_1") })).toMatchObject({
      consoleId: null,
      subjectId: "usr_1",
    });
  });
});
