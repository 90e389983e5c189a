/** Lists that are longer than what a statement looks at one by one. */
import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { grantAccess } from "../../../worker/services/access-rules.ts";
import { pageConsoles, type PagedConsoles } from "../../../worker/services/consoles.ts";
import type { ActingUser } from "../../../worker/services/context.ts";
import { pageSessions } from "../../../worker/services/sessions.ts";
import { type ControlServices, startControlServices } from "../../harness/control-services.ts";
import { valueOf } from "../../harness/value-of.ts";

/** Consoles `c0000` and so on of one project, the last of them with the tag `mine`. */
async function makeConsoles({ context }: ControlServices, count: number, mine: number) {
  const { database } = context;
  await database.run(
    sql`INSERT INTO sources (id, name, kind, created_at_ms) VALUES ('src_a', 'a', 'static', 0)`,
  );
  await database.run(sql`INSERT INTO consoles
      (id, source_id, uuid, name, host, port, created_at_ms, project)
    SELECT printf('con_%04d', value), 'src_a', value, printf('c%04d', value), 'h', 1, 0, 'p'
    FROM generate_series(0, ${count - 1})`);
  await database.run(sql`INSERT INTO console_tags (console_id, tag, name)
    SELECT id, 'mine', name FROM consoles ORDER BY name DESC LIMIT ${mine}`);
}

async function grant(services: ControlServices, user: ActingUser, match: object): Promise<void> {
  const admin = await services.makeCaller("admin", "admin");
  const subject = { kind: "user" as const, id: user.actorId };
  await grantAccess(services.context, admin, { subject, match, level: "own" });
}

describe("a filtered list of consoles", () => {
  it.each([
    ["most that pass the filter are somebody else's", { tag: "mine" }, { project: "p" }],
    ["most that the user sees do not pass the filter", { project: "p" }, { tag: "mine" }],
  ])("is whole and exactly paged where %s", async (_what, rule, filter) => {
    await using services = await startControlServices();
    const user = await services.makeCaller("user", "user");
    await makeConsoles(services, 1_200, 5);
    await grant(services, user, rule);
    const names: string[][] = [];
    let after: { name: string; id: string } | null = null;
    do {
      const asked = { filter, after, limit: 2 };
      const page: PagedConsoles = valueOf(await pageConsoles(services.context, user, asked));
      names.push(page.items.map(({ name }) => name));
      after = page.next;
    } while (after !== null);
    expect(names).toEqual([["c1195", "c1196"], ["c1197", "c1198"], ["c1199"]]);
  });
});

describe("the sessions of somebody who owns hundreds of consoles", () => {
  it("are each there once, newest first, though pages may be short", async () => {
    await using services = await startControlServices();
    const user = await services.makeCaller("user", "user");
    const other = await services.makeCaller("other", "user");
    await makeConsoles(services, 1_200, 600);
    await grant(services, user, { tag: "mine" });
    // The oldest ones are of consoles that the user owns, one of them the user's own.
    await services.context.database.run(sql`INSERT INTO sessions
        (id, console_id, user_id, state, created_at_ms)
      SELECT printf('ses_%05d', value), iif(value < 30, 'con_1199', 'con_0000'),
        iif(value = 7, ${user.actorId}, ${other.actorId}), 'ended', value
      FROM generate_series(0, 4999)`);
    const ids: string[] = [];
    const sizes: number[] = [];
    let after: { createdAtMs: number; id: string } | null = null;
    do {
      const page: Awaited<ReturnType<typeof pageSessions>> = await pageSessions(
        services.context,
        user,
        { after, limit: 20 },
      );
      ids.push(...page.items.map(({ id }) => id));
      sizes.push(page.items.length);
      after = page.next;
    } while (after !== null);
    const expected = Array.from({ length: 30 }, (_, index) => 29 - index);
    expect(ids).toEqual(expected.map((number) => `ses_${String(number).padStart(5, "0")}`));
    expect(sizes).toEqual([0, 0, 20, 10]);
  });
});
