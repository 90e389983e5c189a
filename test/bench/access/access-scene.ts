/** A control plane as large as it is meant to become: consoles, people, groups and their rules. */
import { sql } from "drizzle-orm";
import type { ActingUser } from "../../../worker/services/context.ts";
import { type ControlServices, startControlServices } from "../../harness/control-services.ts";

export const SCENE = {
  consoles: 100_000,
  users: 10_000,
  groups: 1_000,
  projects: 500,
  /** Tags that a hundred consoles each have; every console has one of two frequent ones besides. */
  rareTags: 1_000,
  groupsOfUser: 10,
  /** Rules of the one user with many of them: some through groups, some single consoles. */
  scopesOfPerson: 40,
  consolesOfPerson: 10,
  consolesOfOwner: 5_000,
} as const;

export interface AccessScene extends AsyncDisposable {
  readonly services: ControlServices;
  readonly admin: ActingUser;
  /** Has fifty rules, through groups and their own. */
  readonly person: ActingUser;
  /** Sees every console by one rule. */
  readonly seesAll: ActingUser;
  /** Owns thousands of single consoles, each by a rule. */
  readonly owner: ActingUser;
  readonly nobody: ActingUser;
}

export async function makeAccessScene(): Promise<AccessScene> {
  const services = await startControlServices();
  const admin = await services.makeCaller("admin", "admin");
  const people = {
    person: await services.makeCaller("person", "user"),
    seesAll: await services.makeCaller("sees-all", "user"),
    owner: await services.makeCaller("owner", "user"),
    nobody: await services.makeCaller("nobody", "user"),
  };
  await makeConsoles(services);
  await makePeople(services);
  await makeRules(services, people);
  const end = () => services[Symbol.asyncDispose]();
  return { services, admin, ...people, [Symbol.asyncDispose]: end };
}

async function makeConsoles({ context: { database } }: ControlServices): Promise<void> {
  await database.run(sql`INSERT INTO sources (id, name, kind, created_at_ms)
    VALUES ('src_a', 'a', 'static', 0), ('src_b', 'b', 'static', 0)`);
  await inSteps(SCENE.consoles, async (numbers) => {
    // Neither ids nor names come in the order in which they are stored.
    await database.run(sql`INSERT INTO consoles
        (id, source_id, uuid, name, host, port, created_at_ms, project)
      SELECT printf('con_%022d', value * 7919 % ${SCENE.consoles}),
        iif(value % 2, 'src_a', 'src_b'), printf('uuid-%d', value),
        printf('vm-%06d', value * 104729 % ${SCENE.consoles}),
        'h', 5900, 0, printf('project-%d', value % ${SCENE.projects})
      FROM ${numbers}`);
    await database.run(sql`INSERT INTO console_tags (console_id, tag, name)
      SELECT c.id, t.value, c.name FROM ${numbers} AS n
      JOIN consoles AS c ON c.id = printf('con_%022d', n.value * 7919 % ${SCENE.consoles})
      JOIN json_each(json_array(printf('tag-%d', n.value % ${SCENE.rareTags}),
        iif(n.value % 3, 'linux', 'windows'))) AS t`);
  });
}

async function makePeople({ context: { database } }: ControlServices): Promise<void> {
  await inSteps(SCENE.groups, async (numbers) => {
    await database.run(sql`INSERT INTO groups (id, name, created_at_ms)
      SELECT printf('grp_%022d', value), printf('group-%d', value), 0 FROM ${numbers}`);
  });
  await inSteps(SCENE.users, async (numbers) => {
    await database.run(sql`INSERT INTO users (id, username, role, created_at_ms)
      SELECT printf('usr_%022d', value), printf('user-%d', value), 'user', 0 FROM ${numbers}`);
    await database.run(sql`INSERT INTO group_members (group_id, user_id, origin)
      SELECT printf('grp_%022d', (n.value * 37 + g.value * 101) % ${SCENE.groups}),
        printf('usr_%022d', n.value), 'local'
      FROM ${numbers} AS n JOIN generate_series(1, ${SCENE.groupsOfUser}) AS g`);
  });
}

async function makeRules(
  services: ControlServices,
  people: Pick<AccessScene, "person" | "seesAll" | "owner">,
): Promise<void> {
  const { database } = services.context;
  // Each group opens a project; each user owns a console.
  await inSteps(SCENE.projects, async (numbers) => {
    await database.run(sql`INSERT INTO access_scopes (tag, project, source_id, name_glob)
      SELECT '', printf('project-%d', value), '', '*' FROM ${numbers}`);
  });
  await inSteps(SCENE.groups, async (numbers) => {
    await database.run(sql`INSERT INTO access_rules
        (id, subject_kind, subject_id, scope_id, level, created_at_ms)
      SELECT printf('acr_g%021d', n.value), 'group', printf('grp_%022d', n.value), s.id, 2, n.value
      FROM ${numbers} AS n
      JOIN access_scopes AS s ON s.project = printf('project-%d', n.value % ${SCENE.projects})`);
  });
  await inSteps(SCENE.users, async (numbers) => {
    await database.run(sql`INSERT INTO access_rules
        (id, subject_kind, subject_id, console_id, level, created_at_ms)
      SELECT printf('acr_u%021d', value), 'user', printf('usr_%022d', value),
        printf('con_%022d', value * 9), 3, value
      FROM ${numbers}`);
  });
  const own = (userId: string, count: number) => sql`INSERT INTO access_rules
      (id, subject_kind, subject_id, console_id, level, created_at_ms)
    SELECT ${`acr_${userId}`} || value, 'user', ${userId}, printf('con_%022d', value * 19), 3, value
    FROM generate_series(1, ${count})`;
  await database.run(own(people.owner.actorId, SCENE.consolesOfOwner));
  await database.run(own(people.person.actorId, SCENE.consolesOfPerson));
  await database.run(sql`INSERT INTO group_members (group_id, user_id, origin)
    SELECT printf('grp_%022d', value * 11), ${people.person.actorId}, 'local'
    FROM generate_series(1, ${SCENE.scopesOfPerson})`);
  await database.run(sql`INSERT INTO access_scopes (tag, project, source_id, name_glob)
    VALUES ('', '', '', '*')`);
  await database.run(sql`INSERT INTO access_rules
      (id, subject_kind, subject_id, scope_id, level, created_at_ms)
    SELECT 'acr_all', 'user', ${people.seesAll.actorId}, id, 2, 0
    FROM access_scopes WHERE tag = '' AND project = '' AND source_id = ''`);
}

/** Numbers from 0 on, in steps that a statement's deadline is long enough for. */
async function inSteps(
  count: number,
  take: (numbers: ReturnType<typeof sql>) => Promise<void>,
): Promise<void> {
  for (let start = 0; start < count; start += STEP) {
    const end = Math.min(start + STEP, count) - 1;
    await take(sql`(SELECT value FROM generate_series(${start}, ${end}))`);
  }
}

const STEP = 10_000;
