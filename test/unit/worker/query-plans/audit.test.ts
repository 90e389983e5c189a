import { describe, it } from "vitest";
import { pageAuditTrail } from "../../../../worker/services/audit-trail.ts";
import type { ControlServices } from "../../../harness/control-services.ts";
import { expectIndexed } from "./expect-indexed.ts";

describe("what is asked of the database about the audit trail", () => {
  it("is answered through indexes, in the order that they keep", async () => {
    await expectIndexed(6, async (services) => {
      await useAuditTrail(services);
    });
  });
});

async function useAuditTrail({ context }: ControlServices): Promise<void> {
  const filters = [
    ...[{}, { consoleId: "x" }, { sessionId: "x" }, { relayId: "x" }, { type: "relay.online" }],
  ];
  for (const filter of filters) {
    for (const after of [null, { atMs: 1, id: "aud" }]) {
      await pageAuditTrail(context, { filter, after, limit: 2 });
    }
  }
}
