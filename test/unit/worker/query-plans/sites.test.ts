import { describe, expect, it } from "vitest";
import type { ActingUser } from "../../../../worker/services/context.ts";
import {
  issueJoinToken,
  pageJoinTokens,
  revokeJoinToken,
} from "../../../../worker/services/join-tokens.ts";
import {
  createSite,
  deleteSite,
  pageSites,
  patchSite,
  putSourceSite,
  readSite,
} from "../../../../worker/services/sites.ts";
import type { ControlServices } from "../../../harness/control-services.ts";
import { expectIndexed, makeConsole } from "./expect-indexed.ts";

describe("what is asked of the database about sites and join tokens", () => {
  it("is answered through indexes, in the order that they keep", async () => {
    await expectIndexed(10, async (services, admin) => {
      // Brings its source, which is moved from site to site.
      await makeConsole(services, admin);
      await useSites(services, admin);
      await useJoinTokens(services, admin);
    });
  });
});

async function useSites({ context }: ControlServices, admin: ActingUser): Promise<void> {
  const made = await createSite(context, admin, {
    name: "syd",
    description: "",
    fallbackIds: ["sit_default"],
  });
  const id = made.ok ? made.value.id : "";
  await readSite(context, id);
  await patchSite(context, admin, { id, patch: { name: "mel", fallbackIds: [] } });
  await pageSites(context, { afterName: null, limit: 2 });
  await pageSites(context, { afterName: "a", limit: 2 });
  await putSourceSite(context, admin, { name: "static", siteId: id });
  expect(await deleteSite(context, admin, id)).toMatchObject({ ok: false });
  await putSourceSite(context, admin, { name: "static", siteId: "sit_default" });
  expect(await deleteSite(context, admin, id)).toEqual({ ok: true, value: null });
}

async function useJoinTokens({ context }: ControlServices, admin: ActingUser): Promise<void> {
  await issueJoinToken(context, admin, { siteId: "sit_default" });
  for (const after of [null, { createdAtMs: 1, id: "jtk" }]) {
    await pageJoinTokens(context, { after, limit: 2 });
  }
  await revokeJoinToken(context, admin, "jtk_none");
}
