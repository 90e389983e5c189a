import { describe, it } from "vitest";
import { type Permission, permissionsOf } from "../../../../worker/identity/permissions.ts";
import { explainAccess, pageRulesOfConsole } from "../../../../worker/services/access-explained.ts";
import {
  changeAccess,
  grantAccess,
  pageRules,
  readRule,
  revokeAccess,
} from "../../../../worker/services/access-rules.ts";
import {
  changeConsole,
  deleteConsole,
  pageConsoles,
  readConsole,
} from "../../../../worker/services/consoles.ts";
import { type ActingUser } from "../../../../worker/services/context.ts";
import type { ControlServices } from "../../../harness/control-services.ts";
import { expectIndexed, makeConsole } from "./expect-indexed.ts";

describe("what is asked of the database about consoles and access to them", () => {
  it("is answered through indexes, in the order that they keep", async () => {
    await expectIndexed(20, async (services, admin) => {
      const consoleId = await makeConsole(services, admin);
      await useConsoles(services, admin, consoleId);
      await useRules(services, admin, consoleId);
      await useLists(services, admin, consoleId);
      await deleteConsole(services.context, admin, consoleId);
    });
  });
});

async function useConsoles(
  { context }: ControlServices,
  admin: ActingUser,
  consoleId: string,
): Promise<void> {
  await changeConsole(context, admin, { id: consoleId, changes: { name: "b" } });
  await readConsole(context, admin, consoleId);
}

/** Rules of every kind, changed, read, explained and taken away. */
async function useRules(
  { context }: ControlServices,
  admin: ActingUser,
  consoleId: string,
): Promise<void> {
  const everyone = { kind: "everyone" as const };
  const scope = { source: "static", project: "p", tag: "t", name: "b*" };
  const ids: string[] = [];
  for (const match of [{ consoleId }, scope, {}, { tag: "t" }]) {
    const rule = await grantAccess(context, admin, { subject: everyone, match, level: "own" });
    ids.push(rule.ok ? rule.value.id : "");
  }
  const [ofConsole = "", ofScope = ""] = ids;
  await changeAccess(context, admin, { id: ofScope, match: { project: "p" } });
  await changeConsole(context, admin, { id: consoleId, changes: { tags: ["t"], project: "p" } });
  await readRule(context, ofConsole);
  for (const after of [null, { createdAtMs: 1, id: "acr" }]) {
    for (const subjectId of [undefined, "everyone"]) {
      for (const about of [undefined, consoleId]) {
        await pageRules(context, { subjectId, consoleId: about, after, limit: 2 });
      }
    }
    await pageRulesOfConsole(context, admin, { consoleId, after, limit: 2 });
  }
  await explainAccess(context, { userId: admin.actorId, consoleId });
  await revokeAccess(context, admin, ofScope);
}

/** Consoles and sessions as a user and as an admin sees them, with every filter. */
async function useLists(
  { context }: ControlServices,
  admin: ActingUser,
  consoleId: string,
): Promise<void> {
  const filters = [
    ...[{}, { name: "b" }, { namePrefix: "b" }, { source: "static" }, { project: "p" }],
    ...[{ tag: "t" }, { project: "p", source: "static" }, { tag: "t", namePrefix: "b" }],
    ...[{ siteId: "sit_default" }, { siteId: "sit_default", namePrefix: "b" }],
    ...[
      { siteId: "sit_default", source: "static" },
      { siteId: "sit_default", tag: "t" },
    ],
  ];
  const knowsSites: ReadonlySet<Permission> = new Set([...permissionsOf("user"), "relays.read"]);
  for (const caller of [admin, { ...admin, permissions: knowsSites }]) {
    await readConsole(context, caller, consoleId);
    for (const filter of filters) {
      for (const after of [null, { name: "a", id: "con" }]) {
        await pageConsoles(context, caller, { filter, after, limit: 2 });
      }
    }
  }
}
