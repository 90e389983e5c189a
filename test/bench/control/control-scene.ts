/**
 * A self-hosted control plane of the size that it is designed for, as processes, with relay doubles
 * linked to it by the real control link.
 */
import { randomBytes } from "node:crypto";
import { ApiPool } from "../../harness/api-pool.ts";
import { writeMigratedDatabase } from "../../harness/database-template.ts";
import { withDeadline } from "../../harness/deadline.ts";
import { fillLargeDatabase } from "../../harness/large-database.ts";
import { DESIGN_SIZE, LARGE_USERS } from "../../harness/large-rows.ts";
import {
  makeLogins,
  PREPARED_ADMIN_ID,
  type PreparedState,
  prepareState,
  writeDatabase,
} from "../../harness/prepared-state.ts";
import { HostPlace, SELFHOST } from "../../harness/running-host.ts";
import { writeDoubles } from "../../harness/storm/double-rows.ts";
import { type AppliedCommand, RelayDouble } from "../../harness/storm/relay-double.ts";
import { hashPassword } from "../../../worker/identity/passwords.ts";
import { DEFAULT_SITE_ID } from "../../../worker/repositories/schema/sites.ts";
import { type PartMemory, readHostMemory } from "./host-memory.ts";

export const SCENE = {
  ...DESIGN_SIZE,
  /** Of the relays, those that are linked; the others are offline. */
  linkedRelays: 500,
  /** Of the linked relays, those of a site of their own. */
  smallSiteRelays: 20,
} as const;

export interface ControlScene extends AsyncDisposable {
  readonly place: HostPlace;
  readonly api: ApiPool;
  readonly doubles: readonly RelayDouble[];
  /** Bearer tokens. */
  readonly tokens: Readonly<Record<"admin" | "seesAll" | "manyRules" | "nobody", string>>;
  /** Before any relay was linked. */
  readonly idle: Readonly<Record<string, PartMemory>>;
  /** When a session's termination, or its grant, came to its relay, by `performance.now()`. */
  readonly arrivedAtMs: ReadonlyMap<string, number>;
}

/** Names of users who log in by PASSWORD. */
export const LOGIN_USERS = Array.from({ length: 200 }, (_, number) => `bench-${number}`);
export const PASSWORD = "correct horse battery";

export async function startControlScene(): Promise<ControlScene> {
  await using started = new AsyncDisposableStack();
  const place = started.use(await HostPlace.make(SELFHOST));
  const state = await prepareState(place.stateDir, writeMigratedDatabase);
  const relays = SCENE.relays - SCENE.linkedRelays;
  fillLargeDatabase(state.databaseFile, { nowMs: Date.now(), size: { ...SCENE, relays } });
  const identities = await fillScene(state);
  const users = [PREPARED_ADMIN_ID, LARGE_USERS.seesAll, LARGE_USERS.manyRules, LARGE_USERS.nobody];
  const [admin = "", seesAll = "", manyRules = "", nobody = ""] = await makeLogins(
    state.databaseFile,
    users,
  );
  const { client } = await place.start({
    env: { KERBSIDE_JOBS: "off", KERBSIDE_TRUSTED_PROXIES: "1" },
  });
  const idle = readHostMemory(place);
  const arrivedAtMs = new Map<string, number>();
  const onApplied = ({ kind, sessionId, atMs }: AppliedCommand): void => {
    arrivedAtMs.set(`${kind} ${sessionId}`, atMs);
  };
  const doubles = identities.map((identity) =>
    started.use(new RelayDouble(identity, client.url, onApplied)),
  );
  doubles.forEach((double) => double.start());
  const linked = Promise.all(doubles.map(async (double) => await double.whenLinked()));
  await withDeadline(linked, LINK_DEADLINE_MS, "all relays are linked");
  const api = started.use(new ApiPool(client.url, CONNECTIONS));
  const all = started.move();
  return {
    ...{ place, api, doubles, idle, arrivedAtMs },
    tokens: { admin, seesAll, manyRules, nobody },
    [Symbol.asyncDispose]: async () => await all.disposeAsync(),
  };
}

/** A site of few relays for one of the sources, users with passwords, and the doubles. */
async function fillScene(state: PreparedState) {
  const passwordHash = await hashPassword(PASSWORD, (count) => randomBytes(count));
  writeDatabase(state.databaseFile, (database) => {
    // But for the small one all consoles and relays are of one site, the largest that there may be.
    database.exec(`UPDATE relays SET state = 'offline', site_id = '${DEFAULT_SITE_ID}'`);
    database.exec(`UPDATE consoles SET site_id = NULL`);
    database.exec(
      `UPDATE sources SET site_id = CASE id WHEN 'src_2' THEN 'sit_1' ELSE '${DEFAULT_SITE_ID}' END`,
    );
    const insert = database.prepare(
      `INSERT INTO users (id, username, password_hash, role, created_at_ms)
       VALUES (?, ?, ?, 'user', 0)`,
    );
    for (const name of LOGIN_USERS) {
      insert.run([`usr_${name}`, name, passwordHash]);
    }
  });
  return await writeDoubles(state, SCENE.linkedRelays, (double) =>
    double < SCENE.smallSiteRelays ? "sit_1" : "sit_default",
  );
}

const CONNECTIONS = 64;
/** On a busy machine; a quiet one takes a quarter of a minute. */
const LINK_DEADLINE_MS = 300_000;
