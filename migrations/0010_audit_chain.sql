-- The audit trail as chains of hashes, searchable by whatever an event names, with signed
-- checkpoints, and webhooks that follow it.

-- `position` is the order in which events were stored; AUTOINCREMENT never gives one out twice,
-- also after the newest rows are gone. `seq` and `hash` are null in rows of older versions until a
-- job has put them into the chain `legacy`.
CREATE TABLE audit_events_new (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  at_ms INTEGER NOT NULL,
  type TEXT NOT NULL,
  actor_kind TEXT NOT NULL,
  actor_id TEXT,
  address TEXT,
  request_id TEXT,
  console_id TEXT,
  session_id TEXT,
  relay_id TEXT,
  subject_id TEXT,
  data TEXT NOT NULL,
  writer TEXT NOT NULL DEFAULT 'legacy',
  seq INTEGER,
  hash TEXT
) STRICT;

INSERT INTO audit_events_new
  (id, at_ms, type, actor_kind, actor_id, address, request_id, console_id, session_id, relay_id, data)
  SELECT
    id, at_ms, type, actor_kind, actor_id, address, request_id, console_id, session_id, relay_id, data
  FROM audit_events ORDER BY rowid;
DROP TABLE audit_events;
ALTER TABLE audit_events_new RENAME TO audit_events;

CREATE UNIQUE INDEX audit_events_by_chain ON audit_events (writer, seq);
CREATE INDEX audit_events_unchained ON audit_events (position) WHERE seq IS NULL;
CREATE INDEX audit_events_by_time ON audit_events (at_ms DESC, id DESC);
CREATE INDEX audit_events_by_type ON audit_events (type, at_ms DESC, id DESC);
CREATE INDEX audit_events_by_session ON audit_events (session_id, at_ms DESC, id DESC)
  WHERE session_id IS NOT NULL;
CREATE INDEX audit_events_by_console ON audit_events (console_id, at_ms DESC, id DESC)
  WHERE console_id IS NOT NULL;
CREATE INDEX audit_events_by_relay ON audit_events (relay_id, at_ms DESC, id DESC)
  WHERE relay_id IS NOT NULL;
CREATE INDEX audit_events_by_subject ON audit_events (subject_id, at_ms DESC, id DESC)
  WHERE subject_id IS NOT NULL;
CREATE INDEX audit_events_by_actor ON audit_events (actor_id, at_ms DESC, id DESC)
  WHERE actor_id IS NOT NULL;
CREATE INDEX audit_events_by_address ON audit_events (address, at_ms DESC, id DESC)
  WHERE address IS NOT NULL;
CREATE INDEX audit_events_by_request ON audit_events (request_id, at_ms DESC, id DESC)
  WHERE request_id IS NOT NULL;

-- The end of each chain.
CREATE TABLE audit_chains (
  writer TEXT PRIMARY KEY,
  seq INTEGER NOT NULL,
  hash TEXT NOT NULL
) STRICT;

CREATE TABLE audit_checkpoints (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  at_ms INTEGER NOT NULL,
  jws TEXT NOT NULL
) STRICT;

CREATE INDEX audit_checkpoints_by_time ON audit_checkpoints (at_ms);

-- One row: the keys that checkpoints are signed with, sealed.
CREATE TABLE audit_keyring (
  id TEXT PRIMARY KEY,
  sealed_keys TEXT NOT NULL
) STRICT;

-- What the job that clears expired credentials away looks for.
CREATE INDEX join_tokens_by_expiry ON join_tokens (expires_at_ms);

-- Where audit events are sent. Each follows the trail by `position`, and has rows of its own for
-- messages that failed only.
CREATE TABLE webhooks (
  id TEXT PRIMARY KEY,
  url TEXT NOT NULL,
  description TEXT NOT NULL,
  events TEXT NOT NULL,
  sealed_secret TEXT NOT NULL,
  sealed_old_secret TEXT,
  old_secret_until_ms INTEGER NOT NULL DEFAULT 0,
  enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
  disabled_reason TEXT,
  position INTEGER NOT NULL,
  dead_in_a_row INTEGER NOT NULL DEFAULT 0,
  delivered_at_ms INTEGER,
  lease_until_ms INTEGER NOT NULL DEFAULT 0,
  created_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE webhook_deliveries (
  id TEXT PRIMARY KEY,
  webhook_id TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
  first_position INTEGER NOT NULL,
  last_position INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('retrying', 'redriving', 'dead', 'delivered')),
  attempts INTEGER NOT NULL,
  next_attempt_at_ms INTEGER,
  created_at_ms INTEGER NOT NULL,
  attempted_at_ms INTEGER NOT NULL,
  status INTEGER,
  error TEXT
) STRICT;

CREATE INDEX webhook_deliveries_by_webhook
  ON webhook_deliveries (webhook_id, created_at_ms DESC, id DESC);
CREATE INDEX webhook_deliveries_by_state ON webhook_deliveries (webhook_id, state, next_attempt_at_ms);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (state, next_attempt_at_ms);
CREATE INDEX webhook_deliveries_by_age ON webhook_deliveries (state, attempted_at_ms);
