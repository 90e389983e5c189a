-- What a session did: its channels, who asked for its end, and a numbered feed of changes. Lists by
-- console and relay, and of the living alone, each have an index in the order that they are read.

CREATE TABLE session_channels (
  session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  opened_at_ms INTEGER NOT NULL,
  channel TEXT NOT NULL,
  channel_id INTEGER NOT NULL,
  client_address TEXT NOT NULL,
  closed_at_ms INTEGER,
  close_reason TEXT,
  client_bytes INTEGER NOT NULL DEFAULT 0,
  server_bytes INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (session_id, opened_at_ms, channel, channel_id)
) STRICT, WITHOUT ROWID;

ALTER TABLE sessions ADD COLUMN end_requested_by TEXT;
ALTER TABLE sessions ADD COLUMN end_requested_at_ms INTEGER;

CREATE INDEX sessions_by_console_time ON sessions (console_id, created_at_ms DESC, id DESC);
CREATE INDEX sessions_by_relay_time ON sessions (relay_id, created_at_ms DESC, id DESC);
CREATE INDEX sessions_by_state_time ON sessions (state, created_at_ms DESC, id DESC);
CREATE INDEX sessions_live ON sessions (created_at_ms DESC, id DESC) WHERE state <> 'ended';
CREATE INDEX sessions_live_by_user ON sessions (user_id, created_at_ms DESC, id DESC)
  WHERE state <> 'ended';
CREATE INDEX sessions_live_by_console ON sessions (console_id, created_at_ms DESC, id DESC)
  WHERE state <> 'ended';
CREATE INDEX sessions_live_by_relay ON sessions (relay_id, created_at_ms DESC, id DESC)
  WHERE state <> 'ended';

-- Numbered by the database as changes commit, so that who follows them misses none.
CREATE TABLE session_changes (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE
) STRICT;

CREATE INDEX session_changes_by_session ON session_changes (session_id);

CREATE TRIGGER session_change_of_new AFTER INSERT ON sessions BEGIN
  INSERT INTO session_changes (session_id) VALUES (new.id);
END;

CREATE TRIGGER session_change_of_old
AFTER UPDATE OF state, relay_id, client_address, end_requested_at_ms, refused_code ON sessions
WHEN new.state IS NOT old.state
  OR new.relay_id IS NOT old.relay_id
  OR new.client_address IS NOT old.client_address
  OR new.end_requested_at_ms IS NOT old.end_requested_at_ms
  OR new.refused_code IS NOT old.refused_code
BEGIN
  INSERT INTO session_changes (session_id) VALUES (new.id);
END;
