import { describe, it } from "vitest";
import { announceDenial, tendDenials } from "../../../../worker/services/denials.ts";
import { issueTicket } from "../../../../worker/services/tickets.ts";
import { denySubject } from "../../../harness/deny-subject.ts";
import { expectIndexed, makeConsole } from "./expect-indexed.ts";

describe("what is asked of the database about denials", () => {
  it("is answered through indexes, in the order that they keep", async () => {
    await expectIndexed(8, async (services, admin) => {
      const { context } = services;
      await services.makeRelay("relay");
      const consoleId = await makeConsole(services, admin);
      const issued = await issueTicket(context, admin, consoleId);
      const sessionId = issued.ok ? issued.value.sessionId : "";
      const denier = await services.makeCaller("denier", "admin");
      const reason = "test";
      await denySubject(context, denier, { subject: "user", id: admin.actorId, reason });
      await denySubject(context, denier, { subject: "console", id: consoleId, reason });
      await denySubject(context, denier, { subject: "session", id: sessionId, reason });
      await denySubject(context, denier, { subject: "share", id: "shr", reason });
      await announceDenial(context, { subject: "user", id: admin.actorId });
      await tendDenials(context);
    });
  });
});
