import { describe, it } from "vitest";
import { pageCheckpoints, pageHeads } from "../../../../worker/services/audit-chains.ts";
import { pageAuditTrail, pageChainLinks } from "../../../../worker/services/audit-trail.ts";
import type { ControlServices } from "../../../harness/control-services.ts";
import { expectIndexed } from "./expect-indexed.ts";

describe("what is asked of the database about the audit trail", () => {
  it("is answered through indexes, in the order that they keep", async () => {
    await expectIndexed(30, async (services) => {
      await useAuditTrail(services);
    });
  });
});

/** Every filter by itself, with a time, and with others. */
async function useAuditTrail({ context }: ControlServices): Promise<void> {
  const one = "x";
  const naming = ["consoleId", "sessionId", "relayId", "actorId", "about", "address", "requestId"];
  const types = [["relay.online"], ["relay.online", "user.logged-in"], ["session.*"]];
  const single = [
    {},
    ...naming.map((name) => ({ [name]: one })),
    ...types.map((list) => ({ types: list })),
  ];
  const range = { fromMs: 1, toMs: 2 };
  const both = naming.map((name) => ({ [name]: one, actorId: one, types: ["relay.online"] }));
  const filters = [...single, ...single.map((filter) => ({ ...filter, ...range })), ...both];
  for (const filter of filters) {
    for (const after of [null, { atMs: 1, id: "aud" }]) {
      await pageAuditTrail(context, { filter, after, limit: 2 });
    }
  }
  await pageChainLinks(context, { after: null, limit: 2 });
  await pageCheckpoints(context, null);
  await pageHeads(context, null);
}
