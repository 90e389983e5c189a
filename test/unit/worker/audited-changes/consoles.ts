/** Changes of consoles, who may open them, and their policies, and what the audit trail tells of them. */
import { sql } from "drizzle-orm";
import {
  changeAccess,
  grantAccess,
  revokeAccess,
} from "../../../../worker/services/access-rules.ts";
import {
  changeConsole,
  createConsole,
  deleteConsole,
} from "../../../../worker/services/consoles.ts";
import {
  changePolicy,
  createPolicy,
  deletePolicy,
  pagePolicies,
} from "../../../../worker/services/policies.ts";
import {
  attachPolicy,
  detachPolicy,
  pageAttachments,
} from "../../../../worker/services/policy-attachments.ts";
import { CONSOLE, type Scene } from "../audit-scene.ts";
import { createSite, pageSites, putSourceSite } from "../../../../worker/services/sites.ts";
import type { Changes } from "./change.ts";

const POLICY = { name: "p", description: "", rules: { sessionsMax: 1 } };

async function makePolicy({ context, admin }: Scene): Promise<void> {
  await createPolicy(context, admin, POLICY);
}

export async function makeAttachedPolicy(scene: Scene): Promise<void> {
  await makePolicy(scene);
  await attachToEveryone(scene);
}

async function policyId({ context }: Scene): Promise<string> {
  const { items } = await pagePolicies(context, { afterName: null, limit: 1 });
  return items[0]?.id ?? "";
}

async function attachToEveryone(scene: Scene): Promise<void> {
  const wish = {
    policyId: await policyId(scene),
    kind: "everyone",
    subjectId: "everyone",
  } as const;
  await attachPolicy(scene.context, scene.admin, wish);
}

export const CONSOLES_CHANGES: Changes = {
  "a new console": {
    tells: ["console.created"],
    make: ({ context, admin }) => createConsole(context, admin, CONSOLE),
  },
  "a changed console": {
    tells: ["console.updated"],
    make: ({ context, admin, consoleId: id }) =>
      changeConsole(context, admin, { id, changes: { name: "b" } }),
  },
  "a deleted console": {
    tells: ["console.deleted", "denial.added"],
    make: ({ context, admin, consoleId }) => deleteConsole(context, admin, consoleId),
  },
  "a console's other tags": {
    tells: ["console.updated"],
    make: ({ context, admin, consoleId: id }) =>
      changeConsole(context, admin, { id, changes: { tags: ["a", "b"] } }),
  },
  "a new rule of access": {
    tells: ["access.granted"],
    make: ({ context, admin }) =>
      grantAccess(context, admin, { subject: { kind: "everyone" }, match: {}, level: "view" }),
  },
  "a changed rule of access": {
    tells: ["access.changed"],
    make: ({ context, admin, ruleId: id }) =>
      changeAccess(context, admin, { id, match: { tag: "t" } }),
  },
  "a revoked rule of access": {
    tells: ["access.revoked"],
    make: ({ context, admin, ruleId }) => revokeAccess(context, admin, ruleId),
  },
  "a new policy": { tells: ["policy.created"], make: makePolicy },
  "a changed policy": {
    tells: ["policy.changed"],
    before: makePolicy,
    make: async (scene) => {
      const change = { id: await policyId(scene), changes: { rules: {} } };
      return await changePolicy(scene.context, scene.admin, change);
    },
  },
  "a deleted policy": {
    tells: ["policy.deleted"],
    before: makePolicy,
    make: async (scene) => await deletePolicy(scene.context, scene.admin, await policyId(scene)),
  },
  "an attached policy": { tells: ["policy.attached"], before: makePolicy, make: attachToEveryone },
  "a detached policy": {
    tells: ["policy.detached"],
    before: makeAttachedPolicy,
    make: async ({ context, admin }) => {
      const page = { filter: {}, afterId: null, limit: 1 };
      const [attachment] = (await pageAttachments(context, page)).items;
      return await detachPolicy(context, admin, attachment?.id ?? "");
    },
  },
  "a source with its first console": {
    tells: ["source.created"],
    also: ["console.created"],
    before: async ({ context }) => {
      await context.database.run(sql`UPDATE sources SET name = 'other'`);
    },
    make: ({ context, admin }) => createConsole(context, admin, CONSOLE),
  },
  "a source that moves": {
    tells: ["source.moved"],
    before: async ({ context, admin }) => {
      const site = { name: "syd", description: "", fallbackIds: [] };
      await createSite(context, admin, site);
    },
    make: async ({ context, admin }) => {
      const { items } = await pageSites(context, { afterName: null, limit: 10 });
      const siteId = items.find(({ name }) => name === "syd")?.id ?? "";
      return await putSourceSite(context, admin, { name: "static", siteId });
    },
  },
};
