import { describe, it } from "vitest";
import type { ActingUser } from "../../../../worker/services/context.ts";
import {
  changePolicy,
  createPolicy,
  deletePolicy,
  pagePolicies,
  readNamedPolicy,
} from "../../../../worker/services/policies.ts";
import {
  attachPolicy,
  detachPolicy,
  pageAttachments,
} from "../../../../worker/services/policy-attachments.ts";
import { explainPolicy } from "../../../../worker/services/policy-explanation.ts";
import { sayLimit } from "../../../../worker/services/session-limits.ts";
import { issueTicket } from "../../../../worker/services/tickets.ts";
import type { ControlServices } from "../../../harness/control-services.ts";
import { expectIndexed, makeConsole } from "./expect-indexed.ts";

describe("what is asked of the database about policies", () => {
  it("is answered through indexes, in the order that they keep", async () => {
    await expectIndexed(20, async (services, admin) => {
      await services.makeRelay("relay");
      await usePolicies(services, admin, await makeConsole(services, admin));
    });
  });
});

/** With a limit on everyone's sessions, which tickets count. */
async function usePolicies(
  { context }: ControlServices,
  admin: ActingUser,
  consoleId: string,
): Promise<void> {
  const rules = { sessionsMax: 1, input: "deny" } as const;
  const made = await createPolicy(context, admin, { name: "p", description: "", rules });
  const policyId = made.ok ? made.value.id : "";
  await readNamedPolicy(context, policyId);
  for (const afterName of [null, "a"]) {
    await pagePolicies(context, { afterName, limit: 2 });
  }
  await attachPolicy(context, admin, { policyId, kind: "everyone", subjectId: "everyone" });
  const of = { kind: "console", subjectId: consoleId } as const;
  const attached = await attachPolicy(context, admin, { policyId, ...of });
  for (const filter of [{}, { policyId }, { subjectId: consoleId }]) {
    for (const afterId of [null, "att"]) {
      await pageAttachments(context, { filter, afterId, limit: 2 });
    }
  }
  await explainPolicy(context, admin, { consoleId, userId: admin.actorId });
  await deletePolicy(context, admin, policyId);
  await detachPolicy(context, admin, attached.ok ? attached.value.attachment.id : "");
  const change = { id: policyId, changes: { rules: { sessionsMax: 1 } } };
  await changePolicy(context, admin, change);
  await issueTicket(context, admin, consoleId);
  await sayLimit(context, admin, { userId: admin.actorId, sessionsMax: 1 });
}
