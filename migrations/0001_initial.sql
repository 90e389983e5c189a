-- The first schema: people, consoles, relays, sessions with their tickets, and the audit trail.
-- Times are milliseconds since 1970. Credentials are stored as hashes, secrets sealed.

CREATE TABLE users (
  id TEXT PRIMARY KEY,
  username TEXT NOT NULL UNIQUE COLLATE NOCASE,
  password_hash TEXT NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('admin', 'user')),
  created_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE logins (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  token_hash TEXT NOT NULL UNIQUE,
  created_at_ms INTEGER NOT NULL,
  expires_at_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX logins_by_user ON logins (user_id);

CREATE TABLE sources (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL CHECK (kind IN ('static')),
  created_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE consoles (
  id TEXT PRIMARY KEY,
  source_id TEXT NOT NULL REFERENCES sources (id),
  uuid TEXT NOT NULL,
  name TEXT NOT NULL,
  host TEXT NOT NULL,
  port INTEGER,
  tls_port INTEGER,
  ca TEXT,
  host_subject TEXT,
  sealed_password TEXT,
  created_at_ms INTEGER NOT NULL,
  deleted_at_ms INTEGER,
  CHECK (port IS NOT NULL OR tls_port IS NOT NULL)
) STRICT;

CREATE UNIQUE INDEX consoles_by_uuid ON consoles (source_id, uuid) WHERE deleted_at_ms IS NULL;
CREATE INDEX consoles_by_name ON consoles (name, id) WHERE deleted_at_ms IS NULL;

CREATE TABLE join_tokens (
  id TEXT PRIMARY KEY,
  token_hash TEXT NOT NULL UNIQUE,
  created_by TEXT NOT NULL REFERENCES users (id),
  created_at_ms INTEGER NOT NULL,
  expires_at_ms INTEGER NOT NULL,
  used_at_ms INTEGER,
  relay_id TEXT
) STRICT;

CREATE TABLE relays (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  public_key TEXT NOT NULL,
  host TEXT NOT NULL,
  tls_port INTEGER NOT NULL,
  certificate TEXT NOT NULL,
  host_subject TEXT NOT NULL,
  ticket_epoch INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('offline', 'online')),
  build TEXT,
  channels_max INTEGER,
  last_seen_at_ms INTEGER,
  enrolled_at_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX relays_by_state ON relays (state, id);

CREATE TABLE relay_streams (
  relay_id TEXT NOT NULL REFERENCES relays (id) ON DELETE CASCADE,
  stream TEXT NOT NULL,
  stored_seq INTEGER NOT NULL,
  PRIMARY KEY (relay_id, stream)
) STRICT;

CREATE TABLE sessions (
  id TEXT PRIMARY KEY,
  console_id TEXT NOT NULL REFERENCES consoles (id),
  user_id TEXT NOT NULL REFERENCES users (id),
  relay_id TEXT REFERENCES relays (id),
  state TEXT NOT NULL CHECK (state IN ('pending', 'active', 'ended')),
  created_at_ms INTEGER NOT NULL,
  opened_at_ms INTEGER,
  ended_at_ms INTEGER,
  end_reason TEXT,
  end_detail TEXT,
  client_address TEXT,
  client_bytes INTEGER NOT NULL DEFAULT 0,
  server_bytes INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX sessions_by_created ON sessions (created_at_ms DESC, id DESC);
CREATE INDEX sessions_by_user ON sessions (user_id, created_at_ms DESC, id DESC);
CREATE INDEX sessions_by_relay ON sessions (relay_id, state);
CREATE INDEX sessions_by_console ON sessions (console_id, state);

CREATE TABLE tickets (
  session_id TEXT PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
  relay_id TEXT NOT NULL REFERENCES relays (id),
  ticket_id TEXT NOT NULL,
  ticket_epoch INTEGER NOT NULL,
  ticket_hash TEXT NOT NULL UNIQUE,
  expires_at_ms INTEGER NOT NULL,
  vv_token_hash TEXT NOT NULL UNIQUE,
  vv_fetched_at_ms INTEGER,
  consumed_at_ms INTEGER,
  withdrawn_at_ms INTEGER,
  grant_id TEXT NOT NULL,
  grant_jws TEXT NOT NULL
) STRICT;

CREATE INDEX tickets_by_expiry ON tickets (expires_at_ms);

CREATE TABLE audit_events (
  id TEXT PRIMARY KEY,
  at_ms INTEGER NOT NULL,
  type TEXT NOT NULL,
  actor_kind TEXT NOT NULL,
  actor_id TEXT,
  address TEXT,
  request_id TEXT,
  console_id TEXT,
  session_id TEXT,
  relay_id TEXT,
  data TEXT NOT NULL
) STRICT;

CREATE INDEX audit_events_by_time ON audit_events (at_ms DESC, id DESC);
CREATE INDEX audit_events_by_session ON audit_events (session_id, at_ms DESC, id DESC);
CREATE INDEX audit_events_by_console ON audit_events (console_id, at_ms DESC, id DESC);
CREATE INDEX audit_events_by_relay ON audit_events (relay_id, at_ms DESC, id DESC);
