DROP TABLE webhook_deliveries;
DROP TABLE webhooks;
DROP INDEX join_tokens_by_expiry;
DROP TABLE audit_keyring;
DROP TABLE audit_checkpoints;
DROP TABLE audit_chains;

CREATE TABLE audit_events_old (
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

INSERT INTO audit_events_old
  SELECT
    id, at_ms, type, actor_kind, actor_id, address, request_id, console_id, session_id, relay_id, data
  FROM audit_events ORDER BY position;
DROP TABLE audit_events;
ALTER TABLE audit_events_old RENAME TO audit_events;

CREATE INDEX audit_events_by_time ON audit_events (at_ms DESC, id DESC);
CREATE INDEX audit_events_by_session ON audit_events (session_id, at_ms DESC, id DESC);
CREATE INDEX audit_events_by_console ON audit_events (console_id, at_ms DESC, id DESC);
CREATE INDEX audit_events_by_relay ON audit_events (relay_id, at_ms DESC, id DESC);
CREATE INDEX audit_events_by_type ON audit_events (type, at_ms DESC, id DESC);
