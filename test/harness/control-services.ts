/**
 * The control plane's services without a Worker: over a database of the test's own, with a clock
 * that the test moves and hubs that answer as it says. Ends with `await using`.
 */
import { randomBytes } from "node:crypto";
import { createClient, type InValue } from "@libsql/client/web";
import { newId } from "#shared/base/ids.ts";
import { fail, ok } from "#shared/base/result.ts";
import { type Command, CONTROL_VERSIONS } from "#shared/control/contract.ts";
import { memoryLimits } from "./memory-limits.ts";
import { startLibsqlServer } from "../../worker/dev/libsql/server.ts";
import { STREAM_IDLE_MS_MAX } from "../../worker/dev/libsql/limits.ts";
import { type CancelTimer, systemTimers, type Timers } from "../../worker/dev/libsql/timers.ts";
import { generateSecrets, type NewSecrets } from "../../worker/dev/secrets.ts";
import type { AccessLevel } from "../../worker/identity/access-level.ts";
import { permissionsOf, type Role } from "../../worker/identity/permissions.ts";
import { openDatabase } from "../../worker/repositories/database.ts";
import { relays } from "../../worker/repositories/schema/relays.ts";
import { grantAccess } from "../../worker/services/access-rules.ts";
import type {
  ActingUser,
  Caller,
  PushFailure,
  RelayBar,
  ServiceContext,
} from "../../worker/services/context.ts";
import { hashPassword } from "../../worker/identity/passwords.ts";
import { insertUser } from "../../worker/repositories/users.ts";
import { auditRecord, SYSTEM_CALLER } from "../../worker/services/audit-record.ts";
import { writeMigratedDatabase } from "./database-template.ts";
import { SigningKeyCache } from "../../worker/services/signing-key-cache.ts";
import { makeTempFolder } from "./temp-folder.ts";

export interface ControlServices extends AsyncDisposable {
  readonly context: ServiceContext;
  /** What was pushed, in order. */
  readonly pushes: readonly { readonly relayId: string; readonly command: Command }[];
  /** The relays whose hubs were asked to tell them their keys, in order. */
  readonly toldKeys: readonly string[];
  /** Relays whose hubs were asked whether they are online. */
  readonly confirmed: readonly string[];
  /** Whose links were ended, and why, in order. */
  readonly expelled: readonly { readonly relayId: string; readonly bar: RelayBar }[];
  /** How the relay's hub answers grants and terminations from now on; null acknowledges. */
  answerPushes(relayId: string, failure: PushFailure | null): void;
  /** Makes a user and gives them as a caller. */
  makeCaller(username: string, role: Role): Promise<ActingUser>;
  /** Grants the caller this level of one console. Gives the rule's id. */
  grant(caller: Caller, consoleId: string, level?: AccessLevel): Promise<string>;
  /** Makes a relay that is online, of the newest contract, and enforces nothing. Gives its id. */
  makeRelay(name: string, columns?: RelayColumns): Promise<string>;
  moveClock(byMs: number): void;
  /** Rolls transactions back that nobody goes on with, which the database does after seconds. */
  rollBackAbandoned(): void;
  /** The rows that a query finds. */
  query(sql: string, args?: InValue[]): Promise<Readonly<Record<string, unknown>>[]>;
  /** All values of all tables, as one text to search. */
  dumpDatabase(): Promise<string>;
}

/** A relay's row, as far as a test gives it. */
export type RelayColumns = Omit<Partial<typeof relays.$inferInsert>, "enforces"> & {
  readonly enforces?: readonly string[];
};

export const TEST_PASSWORD = "correct horse battery";

/** @param of the database's file, made before; without it, a new and empty one. */
export async function startControlServices(
  of: { readonly file?: string } = {},
): Promise<ControlServices> {
  const folder = await makeTempFolder();
  const authToken = "test-token";
  const timers = new HastyTimers();
  const file = of.file ?? folder.file("control.db");
  if (of.file === undefined) {
    await writeMigratedDatabase(file);
  }
  const server = await startLibsqlServer({ file, authToken, timers });
  const secrets = await (testSecrets ??= generateSecrets(Date.now()));
  const pushes: { relayId: string; command: Command }[] = [];
  const toldKeys: string[] = [];
  const confirmed: string[] = [];
  const expelled: { relayId: string; bar: RelayBar }[] = [];
  const failures = new Map<string, PushFailure>();
  let nowMs = START_MS;
  const context: ServiceContext = {
    database: openDatabase({ url: server.url, authToken }),
    settings: {
      publicUrl: "https://kerbside.test",
      ticketRoot: fromBase64(secrets.TICKET_ROOT),
      grantSigningKey: JSON.parse(secrets.GRANT_SIGNING_KEY),
      secretsKeys: [{ id: "test", key: fromBase64(secrets.SECRETS_KEY) }],
      caCertificate: secrets.CA_CERTIFICATE,
      caKey: secrets.CA_KEY,
      webOrigins: ["https://kerbside.test"],
      metricsToken: null,
      localLogin: "on",
      oidcProviders: [],
      keystone: null,
      trustedProxies: 0,
      auditRetentionMs: null,
      webhookPrivateTargets: false,
    },
    limits: memoryLimits(() => nowMs),
    hubs: {
      push: async (relayId, command) => {
        pushes.push({ relayId, command });
        const failure = failures.get(relayId);
        return failure === undefined ? ok(null) : fail(failure);
      },
      tellKeys: async (relayId) => {
        toldKeys.push(relayId);
        return ok(null);
      },
      confirmOnline: async (relayId) => {
        confirmed.push(relayId);
      },
      expel: async (relayId, bar) => {
        expelled.push({ relayId, bar });
      },
      report: async () => null,
    },
    signingKeys: new SigningKeyCache(),
    nowMs: () => nowMs,
    randomBytes: (count) => randomBytes(count),
  };
  return {
    context,
    pushes,
    toldKeys,
    confirmed,
    expelled,
    answerPushes: (relayId, failure) => {
      failures.delete(relayId);
      if (failure !== null) {
        failures.set(relayId, failure);
      }
    },
    makeCaller: async (username, role) => {
      const actorId = await storeUser(context, username, role);
      const permissions = permissionsOf(role);
      return {
        actorKind: "user",
        actorId,
        permissions,
        address: "192.0.2.1",
        requestId: "req_test",
      };
    },
    grant: async (caller, consoleId, level = "open") => {
      const subject = { kind: "user" as const, id: caller.actorId ?? "" };
      const rule = { subject, match: { consoleId }, level };
      const granted = await grantAccess(context, caller, rule);
      if (!granted.ok) {
        throw new Error(granted.error.code);
      }
      return granted.value.id;
    },
    makeRelay: async (name, columns = {}) => await insertRelay(context, name, columns),
    moveClock: (byMs) => {
      nowMs += byMs;
    },
    rollBackAbandoned: () => timers.hurry(),
    query: async (sql, args = []) => {
      const client = createClient({ url: server.url, authToken });
      const { rows } = await client.execute({ sql, args });
      client.close();
      return rows.map((row) => ({ ...row }));
    },
    dumpDatabase: async () => await dump({ url: server.url, authToken }),
    [Symbol.asyncDispose]: async () => {
      await server.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** The system's timers, of which those of idle transactions can be made to fire at once. */
class HastyTimers implements Timers {
  readonly #idle = new Set<() => void>();

  nowMs(): number {
    return systemTimers.nowMs();
  }

  after(delayMs: number, callback: () => void): CancelTimer {
    if (delayMs !== STREAM_IDLE_MS_MAX) {
      return systemTimers.after(delayMs, callback);
    }
    const fire = (): void => {
      cancel();
      callback();
    };
    const cancelTimer = systemTimers.after(delayMs, fire);
    const cancel = (): void => {
      cancelTimer();
      this.#idle.delete(fire);
    };
    this.#idle.add(fire);
    return cancel;
  }

  hurry(): void {
    for (const fire of this.#idle) {
      fire();
    }
  }
}

/** As createUser does, with a password that is hashed once for all. */
async function storeUser(context: ServiceContext, username: string, role: Role): Promise<string> {
  const id = newId("user", context.randomBytes);
  const passwordHash = await (testPasswordHash ??= hashPassword(TEST_PASSWORD, randomBytes));
  const row = { id, username, role, passwordHash, createdAtMs: context.nowMs() };
  const data = { username, userId: id, role };
  const audit = auditRecord(context, SYSTEM_CALLER, { type: "user.created", data });
  await insertUser(context.database, row, audit);
  return id;
}

async function insertRelay(
  context: ServiceContext,
  name: string,
  { enforces = [], ...columns }: RelayColumns,
): Promise<string> {
  const id = newId("relay", context.randomBytes);
  await context.database.insert(relays).values({
    id,
    name,
    publicKey: "x",
    host: `${name}.relay.test`,
    tlsPort: 5900,
    certificate: "none",
    hostSubject: `CN=${name}`,
    ticketEpoch: 1,
    state: "online",
    enforces: JSON.stringify(enforces),
    controlVersion: CONTROL_VERSIONS.max,
    enrolledAtMs: context.nowMs(),
    ...columns,
  });
  return id;
}

/** Every table's every value. */
export async function dump(database: { url: string; authToken: string }): Promise<string> {
  const client = createClient(database);
  const tables = await client.execute("SELECT name FROM sqlite_schema WHERE type = 'table'");
  const texts: string[] = [];
  for (const [name] of tables.rows.map((row) => Object.values(row) as string[])) {
    const { rows } = await client.execute(`SELECT * FROM "${name}"`);
    texts.push(...rows.map((row) => `${name}: ${JSON.stringify(row)}`));
  }
  client.close();
  return texts.join("\n");
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(text, "base64url"));
}

/** Made once in a test file: they cost more than most of what is tested. */
let testSecrets: Promise<NewSecrets> | undefined;
let testPasswordHash: Promise<string> | undefined;

const START_MS = Date.UTC(2026, 0, 1, 12, 0, 0, 500);
