/**
 * A control plane's database of the size that it is designed for, made by the database itself from
 * counting queries: seconds instead of the hours that a million requests would take. Rows differ
 * where lists and filters look; what nobody filters by is the same everywhere.
 */
import Database from "libsql";
import { startLibsqlServer } from "../../worker/dev/libsql/server.ts";
import { migrateDatabase } from "../../worker/dev/migrate/migrate-database.ts";

/** What Kerbside is designed for (docs/architecture.md). */
export const DESIGN_SIZE = {
  users: 10_000,
  groups: 1_000,
  sources: 20,
  consoles: 100_000,
  relays: 2_000,
  sessions: 50_000,
  auditEvents: 1_000_000,
} as const;

export type DatabaseSize = Readonly<Record<keyof typeof DESIGN_SIZE, number>>;

/** Makes the file: migrated, then filled. `nowMs` is when its newest row was made. */
export async function makeLargeDatabase(options: {
  readonly file: string;
  readonly nowMs: number;
  readonly size?: DatabaseSize;
}): Promise<void> {
  const { file, nowMs, size = DESIGN_SIZE } = options;
  const authToken = "large";
  const server = await startLibsqlServer({ file, authToken });
  try {
    await migrateDatabase({ url: server.url, authToken });
  } finally {
    await server.close();
  }
  const database = new Database(file);
  try {
    database.exec("PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF; BEGIN");
    for (const statement of fillings(size, nowMs)) {
      database.exec(statement);
    }
    database.exec("COMMIT");
  } finally {
    database.close();
  }
}

/** The numbers 0 to `count - 1` as `n`. */
const numbers = (count: number): string =>
  `WITH RECURSIVE counter (n) AS (
     SELECT 0 UNION ALL SELECT n + 1 FROM counter WHERE n + 1 < ${count}
   )`;

function fillings(size: DatabaseSize, nowMs: number): string[] {
  const some = (table: keyof DatabaseSize, stride = 1): string =>
    `(n * ${stride}) % ${size[table]}`;
  return [
    `${numbers(size.users)} INSERT INTO users (id, username, password_hash, role, created_at_ms)
     SELECT 'usr_' || n, 'user' || n, 'none', CASE WHEN n = 0 THEN 'admin' ELSE 'user' END,
       ${nowMs} - n FROM counter`,
    `${numbers(size.sources)} INSERT INTO sources (id, name, kind, created_at_ms)
     SELECT 'src_' || n, 'source' || n, 'static', ${nowMs} - n FROM counter`,
    `${numbers(size.consoles)} INSERT INTO consoles
       (id, source_id, uuid, name, host, port, created_at_ms)
     SELECT 'con_' || n, 'src_' || ${some("sources")}, 'uuid-' || n,
       'vm' || (n % 1000) || '-' || n, 'hv' || (n % 500) || '.example', 5900, ${nowMs} - n
     FROM counter`,
    `${numbers(size.relays)} INSERT INTO relays
       (id, name, public_key, host, tls_port, certificate, host_subject, ticket_epoch, state,
        enrolled_at_ms)
     SELECT 'rly_' || n, 'relay' || n, 'key' || n, 'relay' || n || '.example', 5900, 'none',
       'CN=relay' || n, 1, CASE WHEN n % 10 = 9 THEN 'offline' ELSE 'online' END, ${nowMs} - n
     FROM counter`,
    `${numbers(size.sessions)} INSERT INTO sessions
       (id, console_id, user_id, relay_id, state, created_at_ms)
     SELECT 'ses_' || n, 'con_' || ${some("consoles", 7)}, 'usr_' || ${some("users", 3)},
       'rly_' || ${some("relays")},
       CASE WHEN n % 10 < 8 THEN 'active' WHEN n % 10 = 8 THEN 'pending' ELSE 'ended' END,
       ${nowMs} - n * 1000
     FROM counter`,
    `${numbers(size.sessions)} INSERT INTO tickets
       (session_id, relay_id, ticket_id, ticket_epoch, ticket_hash, expires_at_ms, vv_token_hash,
        grant_id, grant_jws)
     SELECT 'ses_' || n, 'rly_' || ${some("relays")}, 'tid' || n, 1, 'th' || n,
       ${nowMs} - n * 1000 + 120000, 'vv' || n, 'grt_' || n, 'jws' FROM counter`,
    `${numbers(size.auditEvents)} INSERT INTO audit_events
       (id, at_ms, type, actor_kind, actor_id, address, request_id, console_id, session_id,
        relay_id, data)
     SELECT 'aud_' || n, ${nowMs} - n * 100,
       CASE n % 4 WHEN 0 THEN 'session.opened' WHEN 1 THEN 'user.logged-in'
         WHEN 2 THEN 'channel.opened' ELSE 'relay.serving' END,
       CASE n % 2 WHEN 0 THEN 'user' ELSE 'relay' END, 'usr_' || ${some("users")}, '192.0.2.1',
       'req_' || n, 'con_' || ${some("consoles")}, 'ses_' || ${some("sessions")},
       'rly_' || ${some("relays")},
       CASE n % 4 WHEN 1 THEN '{"username":"user' || ${some("users")} || '"}'
         WHEN 2 THEN '{"channel":"main","channelId":0}' ELSE '{}' END
     FROM counter`,
  ];
}
