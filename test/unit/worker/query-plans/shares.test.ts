import { describe, it } from "vitest";
import { permissionsOf } from "../../../../worker/identity/permissions.ts";
import { type ActingUser } from "../../../../worker/services/context.ts";
import { openShare } from "../../../../worker/services/open-share.ts";
import {
  issueShare,
  pageShares,
  readShare,
  revokeShare,
} from "../../../../worker/services/shares.ts";
import type { ControlServices } from "../../../harness/control-services.ts";
import { expectIndexed, makeConsole } from "./expect-indexed.ts";

describe("what is asked of the database about links for guests", () => {
  it("is answered through indexes, in the order that they keep", async () => {
    await expectIndexed(8, async (services, admin) => {
      await services.makeRelay("relay");
      await useShares(services, admin, await makeConsole(services, admin));
    });
  });
});

/** A link, opened and revoked. */
async function useShares(
  { context }: ControlServices,
  admin: ActingUser,
  consoleId: string,
): Promise<void> {
  const wish = { consoleId, expiresInS: 60, usesMax: 2 };
  const issued = await issueShare(context, admin, wish);
  const { share, url } = issued.ok ? issued.value : { share: { id: "" }, url: "" };
  await openShare(context, admin, { token: url.split("#")[1] ?? "", way: "tls" });
  for (const caller of [admin, { ...admin, permissions: permissionsOf("user") }]) {
    await readShare(context, caller, share.id);
    for (const after of [null, { createdAtMs: 1, id: "shr" }]) {
      for (const of of [undefined, consoleId]) {
        await pageShares(context, caller, { consoleId: of, after, limit: 2 });
      }
    }
  }
  await revokeShare(context, admin, { id: share.id, endSessions: true });
}
