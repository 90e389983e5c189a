/** The rows of a large database, table by table, each table by one statement that counts. */

/** What Kerbside is designed for (docs/architecture.md). */
export const DESIGN_SIZE = {
  users: 10_000,
  groups: 1_000,
  sources: 20,
  consoles: 100_000,
  relays: 2_000,
  sessions: 50_000,
  shares: 20_000,
  auditEvents: 1_000_000,
} as const;

export type DatabaseSize = Readonly<Record<keyof typeof DESIGN_SIZE, number>>;

/** People whose rights differ; the lists are asked as each of them. */
export const LARGE_USERS = {
  admin: "usr_0",
  /** Has ten rules of their own and forty through groups, of every kind. */
  manyRules: "usr_1",
  /** Owns five thousand consoles, each by a rule, and issued as many links. */
  owner: "usr_2",
  /** Sees every console by one rule. */
  seesAll: "usr_3",
  nobody: "usr_4",
} as const;

const OWNED = 5_000;
const PROJECTS = 500;
const SITES = 100;
const RARE_TAGS = 1_000;
/** Chains of the audit trail. */
const WRITERS = 500;

/** The numbers 0 to `count - 1` as `n`. */
const numbers = (count: number): string =>
  `WITH RECURSIVE counter (n) AS (
     SELECT 0 UNION ALL SELECT n + 1 FROM counter WHERE n + 1 < ${count}
   )`;

/** The statements in their order. `nowMs` is when the newest row was made. */
export function largeRows(size: DatabaseSize, nowMs: number): string[] {
  return [
    ...peopleRows(size, nowMs),
    ...consoleRows(size, nowMs),
    ...accessRows(size, nowMs),
    ...policyRows(nowMs),
    ...sessionRows(size, nowMs),
    ...auditRows(size, nowMs),
  ];
}

/** In parentheses, because `||` binds more than `%`. */
const some = (count: number, stride = 1): string => `((n * ${stride}) % ${count})`;

function peopleRows({ users, groups }: DatabaseSize, nowMs: number): string[] {
  const { admin, owner, manyRules } = LARGE_USERS;
  const ofWhom = `CASE WHEN n < 500 THEN '${admin}' WHEN n < 1000 THEN '${owner}'
    ELSE 'usr_' || ${some(users)} END`;
  return [
    `${numbers(users)} INSERT INTO users
       (id, username, password_hash, role, created_at_ms, display_name)
     SELECT 'usr_' || n, 'user' || n, NULL,
       CASE WHEN n = 0 THEN 'admin' WHEN n % 50 = 49 THEN 'auditor' ELSE 'user' END,
       ${nowMs} - n, 'User ' || n FROM counter`,
    `${numbers(groups)} INSERT INTO groups (id, name, created_at_ms)
     SELECT 'grp_' || n, 'group' || n, ${nowMs} - n FROM counter`,
    `${numbers(users * 3)} INSERT OR IGNORE INTO group_members (group_id, user_id, origin)
     SELECT 'grp_' || CASE n % 3 WHEN 0 THEN n % 2 ELSE ${some(groups, 7)} END,
       'usr_' || ((2 + n / 3) % ${users}), 'local' FROM counter`,
    `${numbers(40)} INSERT INTO group_members (group_id, user_id, origin)
     SELECT 'grp_' || (100 + n), '${manyRules}', 'local' FROM counter`,
    `${numbers(users)} INSERT INTO identities (provider, subject, user_id, created_at_ms)
     SELECT 'oidc', 'subject' || n, 'usr_' || n, ${nowMs} - n FROM counter`,
    `${numbers(users * 3)} INSERT INTO logins
       (id, user_id, token_hash, created_at_ms, expires_at_ms)
     SELECT 'lgn_' || n, ${ofWhom}, 'lh' || n, ${nowMs} - n, ${nowMs} + n * 1000 FROM counter`,
    `${numbers(users * 2)} INSERT INTO api_tokens
       (id, user_id, name, token_hash, scopes, created_at_ms, expires_at_ms)
     SELECT 'tok_' || n, ${ofWhom}, 'script' || n, 'kh' || n, '[]', ${nowMs} - n,
       ${nowMs} + n * 1000 FROM counter`,
    `${numbers(1_000)} INSERT INTO join_tokens
       (id, token_hash, created_by, created_at_ms, expires_at_ms)
     SELECT 'jtk_' || n, 'jh' || n, '${admin}', ${nowMs} - n, ${nowMs} + 3600000 FROM counter`,
  ];
}

function consoleRows({ sources, consoles }: DatabaseSize, nowMs: number): string[] {
  return [
    `${numbers(SITES)} INSERT INTO sites (id, name, description, created_at_ms)
     SELECT 'sit_' || n, 'site' || n, '', ${nowMs} - n FROM counter`,
    `${numbers(SITES - 1)} INSERT INTO site_fallbacks (site_id, position, fallback_site_id)
     SELECT 'sit_' || (n + 1), 1, 'sit_0' FROM counter`,
    `${numbers(sources)} INSERT INTO sources (id, name, kind, created_at_ms)
     SELECT 'src_' || n, 'source' || n, 'static', ${nowMs} - n FROM counter`,
    `${numbers(consoles)} INSERT INTO consoles
       (id, source_id, uuid, name, host, port, created_at_ms, project, deleted_at_ms)
     SELECT 'con_' || n, 'src_' || ${some(sources)}, 'uuid-' || n,
       'vm' || (n % 1000) || '-' || n, 'hv' || (n % 500) || '.example', 5900, ${nowMs} - n,
       'project' || (n % ${PROJECTS}), CASE WHEN n % 100 = 99 THEN ${nowMs} END FROM counter`,
    `${numbers(consoles)} INSERT INTO console_tags (console_id, tag, name)
     SELECT id, 'tag' || (n % ${RARE_TAGS}), name FROM counter JOIN consoles ON id = 'con_' || n
     WHERE deleted_at_ms IS NULL`,
    `${numbers(consoles)} INSERT INTO console_tags (console_id, tag, name)
     SELECT id, 'frequent', name FROM counter JOIN consoles ON id = 'con_' || n
     WHERE n % 2 = 0 AND deleted_at_ms IS NULL`,
  ];
}

/** Whom a rule is for; the id is an SQL expression. */
interface Subject {
  readonly kind: "user" | "group" | "everyone";
  readonly id: string;
}

/** Rules of every kind: of one console, a tag, a project, a source, a form of name, and everything. */
function accessRows({ groups }: DatabaseSize, nowMs: number): string[] {
  const { manyRules, owner, seesAll } = LARGE_USERS;
  const rule = (id: string, subject: Subject, target: string, level: number): string =>
    `SELECT ${id}, '${subject.kind}', ${subject.id}, ${target}, ${level}, ${nowMs} - n`;
  const columns = "(id, subject_kind, subject_id, console_id, level, created_at_ms)";
  const scoped = columns.replace("console_id", "scope_id");
  return [
    `${numbers(PROJECTS)} INSERT INTO access_scopes (tag, project, source_id, name_glob)
     SELECT '', 'project' || n, '', '*' FROM counter`,
    `${numbers(20)} INSERT INTO access_scopes (tag, project, source_id, name_glob)
     SELECT 'tag' || n, '', '', '*' FROM counter`,
    `INSERT INTO access_scopes (tag, project, source_id, name_glob) VALUES
       ('', '', 'src_1', '*'), ('', '', 'src_2', 'vm1*'), ('frequent', 'project2', '', '*'),
       ('', '', '', 'vm77-*'), ('', '', '', '*')`,
    `${numbers(groups)} INSERT INTO access_rules ${scoped}
     ${rule("'acr_g' || n", { kind: "group", id: "'grp_' || n" }, "scopes.id", 2)} FROM counter
     JOIN access_scopes AS scopes ON project = 'project' || (n % ${PROJECTS}) AND tag = ''`,
    `${numbers(5)} INSERT INTO access_rules ${columns}
     ${rule("'acr_m' || n", { kind: "user", id: `'${manyRules}'` }, "'con_' || (n * 7)", 3)} FROM counter`,
    `INSERT INTO access_rules ${scoped}
     SELECT 'acr_s' || id, 'user', '${manyRules}', id, 1, ${nowMs} - id FROM access_scopes
     WHERE (tag = '' AND project = '' AND (source_id <> '' OR name_glob <> '*'))
       OR tag IN ('frequent', 'tag3')`,
    `${numbers(OWNED)} INSERT INTO access_rules ${columns}
     ${rule("'acr_o' || n", { kind: "user", id: `'${owner}'` }, "'con_' || (n * 19)", 3)} FROM counter
     WHERE (n * 19) % 100 <> 99`,
    `INSERT INTO access_rules ${scoped}
     SELECT 'acr_all', 'user', '${seesAll}', id, 2, ${nowMs} FROM access_scopes
     WHERE tag = '' AND project = '' AND source_id = '' AND name_glob = '*'`,
    `${numbers(10)} INSERT INTO access_rules ${columns}
     ${rule("'acr_e' || n", { kind: "everyone", id: "'everyone'" }, "'con_' || n", 1)} FROM counter`,
  ];
}

function policyRows(nowMs: number): string[] {
  return [
    `${numbers(500)} INSERT INTO policies (id, name, rules, created_at_ms, changed_at_ms)
     SELECT 'pol_' || n, 'policy' || n, '{}', ${nowMs} - n, ${nowMs} - n FROM counter`,
    `${numbers(10_000)} INSERT INTO policy_attachments
       (id, policy_id, kind, subject_id, created_at_ms)
     SELECT 'att_' || n, 'pol_' || (n % 10), 'console', 'con_' || n, ${nowMs} - n FROM counter`,
    `INSERT INTO policy_attachments (id, policy_id, kind, subject_id, created_at_ms)
     VALUES ('att_all', 'pol_1', 'everyone', 'everyone', ${nowMs})`,
  ];
}

function sessionRows(size: DatabaseSize, nowMs: number): string[] {
  const { owner } = LARGE_USERS;
  const { users, consoles, relays, sessions, shares } = size;
  return [
    // Half of them at the default site, which most consoles are at.
    `${numbers(relays)} INSERT INTO relays
       (id, name, public_key, host, tls_port, certificate, host_subject, ticket_epoch, state,
        enrolled_at_ms, site_id)
     SELECT 'rly_' || n, 'relay' || n, 'key' || n, 'relay' || n || '.example', 5900, 'none',
       'CN=relay' || n, 1, CASE WHEN n % 10 = 9 THEN 'offline' ELSE 'online' END, ${nowMs} - n,
       CASE n % 2 WHEN 0 THEN 'sit_default' ELSE 'sit_' || (n % ${SITES}) END FROM counter`,
    `${numbers(1_000)} INSERT INTO denials (subject, subject_id, at_ms, until_ms, announced_at_ms)
     SELECT 'session', 'ses_x' || n, ${nowMs} - n, ${nowMs} + 3600000, ${nowMs} FROM counter`,
    `${numbers(relays)} INSERT INTO relay_streams (relay_id, stream, stored_seq)
     SELECT 'rly_' || n, 'stream', n FROM counter`,
    `${numbers(shares)} INSERT INTO shares
       (id, token_hash, console_id, issuer_id, uses_max, uses_left, created_at_ms, expires_at_ms)
     SELECT 'shr_' || n, 'sh' || n, 'con_' || CASE WHEN n < 500 THEN 0 ELSE ${some(consoles)} END,
       CASE WHEN n < ${OWNED} THEN '${owner}' ELSE 'usr_' || ${some(users)} END, 5, n % 6,
       ${nowMs} - n, ${nowMs} + n FROM counter`,
    `${numbers(sessions)} INSERT INTO sessions
       (id, console_id, user_id, relay_id, state, created_at_ms, share_id)
     SELECT 'ses_' || n, 'con_' || ((n * 2 + 1) % ${consoles}), 'usr_' || ${some(users, 3)},
       'rly_' || ${some(relays)},
       CASE WHEN n % 10 < 8 THEN 'active' WHEN n % 10 = 8 THEN 'pending' ELSE 'ended' END,
       ${nowMs} - n * 1000, CASE WHEN n % 20 = 0 THEN 'shr_' || ${some(shares)} END
     FROM counter`,
    `${numbers(sessions * 2)} INSERT INTO session_channels
       (session_id, opened_at_ms, channel, channel_id, client_address)
     SELECT 'ses_' || (n / 2), ${nowMs} - n, CASE n % 2 WHEN 0 THEN 'main' ELSE 'display' END, 0,
       '192.0.2.1' FROM counter`,
    `${numbers(sessions)} INSERT INTO tickets
       (session_id, relay_id, ticket_id, ticket_epoch, ticket_hash, expires_at_ms, vv_token_hash,
        grant_id, grant_jws)
     SELECT 'ses_' || n, 'rly_' || ${some(relays)}, 'tid' || n, 1, 'th' || n,
       ${nowMs} - n * 1000 + 120000, 'vv' || n, 'grt_' || n, 'jws' FROM counter`,
  ];
}

function auditRows(size: DatabaseSize, nowMs: number): string[] {
  const { users, consoles, relays, sessions, auditEvents } = size;
  return [
    `${numbers(auditEvents)} INSERT INTO audit_events
       (position, id, at_ms, type, actor_kind, actor_id, address, request_id, console_id,
        session_id, relay_id, subject_id, data, writer, seq, hash)
     SELECT ${auditEvents} - n, 'aud_' || n, ${nowMs} - n * 100,
       CASE n % 4 WHEN 0 THEN 'session.opened' WHEN 1 THEN 'user.logged-in'
         WHEN 2 THEN 'channel.opened' ELSE 'relay.serving' END,
       CASE n % 2 WHEN 0 THEN 'user' ELSE 'relay' END, 'usr_' || ${some(users)},
       '192.0.2.' || (n % 3),
       'req_' || n, 'con_' || ${some(consoles)}, 'ses_' || ${some(sessions)},
       'rly_' || ${some(relays)}, 'usr_' || ${some(users, 3)},
       CASE n % 4 WHEN 1 THEN '{"username":"user' || ${some(users)} || '"}'
         WHEN 2 THEN '{"channel":"main","channelId":0}' ELSE '{}' END,
       'relay:rly_' || ${some(WRITERS)}, (${auditEvents} - 1 - n) / ${WRITERS} + 1, 'h' || n
     FROM counter`,
    `INSERT INTO audit_chains (writer, seq, hash)
     SELECT writer, max(seq), hash FROM audit_events GROUP BY writer`,
    `${numbers(10_000)} INSERT INTO audit_checkpoints (at_ms, jws)
     SELECT ${nowMs} - 300000 * (10000 - n), 'jws' FROM counter`,
    `${numbers(10)} INSERT INTO webhooks
       (id, url, description, events, sealed_secret, enabled, position, created_at_ms)
     SELECT 'whk_' || n, 'https://hooks.example/' || n, '', '["*"]', 'sealed', 0, ${auditEvents},
       ${nowMs} - n FROM counter`,
    `${numbers(20_000)} INSERT INTO webhook_deliveries
       (id, webhook_id, first_position, last_position, state, attempts, created_at_ms,
        attempted_at_ms)
     SELECT 'msg_' || n, 'whk_' || (n % 10), n, n, 'dead', 8, ${nowMs} - n, ${nowMs} - n
     FROM counter`,
  ];
}
