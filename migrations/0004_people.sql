-- People: four roles, people without a password who come through a provider, disabling and
-- deleting them, groups, logins that their owners can recognise, and API tokens.

CREATE TABLE users_new (
  id TEXT PRIMARY KEY,
  username TEXT NOT NULL UNIQUE COLLATE NOCASE,
  password_hash TEXT,
  role TEXT NOT NULL CHECK (role IN ('admin', 'operator', 'auditor', 'user')),
  created_at_ms INTEGER NOT NULL,
  display_name TEXT,
  email TEXT,
  origin TEXT NOT NULL DEFAULT 'local',
  disabled_at_ms INTEGER,
  deleted_at_ms INTEGER,
  last_login_at_ms INTEGER
) STRICT;

INSERT INTO users_new (id, username, password_hash, role, created_at_ms)
  SELECT id, username, password_hash, role, created_at_ms FROM users;
DROP TABLE users;
ALTER TABLE users_new RENAME TO users;

CREATE INDEX users_by_username ON users (username) WHERE deleted_at_ms IS NULL;
CREATE INDEX users_by_role ON users (role, username) WHERE deleted_at_ms IS NULL;

CREATE TABLE groups (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE COLLATE NOCASE,
  description TEXT,
  created_at_ms INTEGER NOT NULL
) STRICT;

-- A person may be in a group twice: put there by an admin ('local'), and because a provider says so.
CREATE TABLE group_members (
  group_id TEXT NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  origin TEXT NOT NULL,
  PRIMARY KEY (group_id, user_id, origin)
) STRICT;

CREATE INDEX group_members_by_user ON group_members (user_id, group_id);

ALTER TABLE logins ADD COLUMN method TEXT NOT NULL DEFAULT 'password';
ALTER TABLE logins ADD COLUMN address TEXT;
ALTER TABLE logins ADD COLUMN user_agent TEXT;
ALTER TABLE logins ADD COLUMN last_used_at_ms INTEGER;

DROP INDEX logins_by_user;
CREATE INDEX logins_by_user ON logins (user_id, created_at_ms DESC, id DESC);
CREATE INDEX logins_by_expiry ON logins (expires_at_ms);

CREATE TABLE api_tokens (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  token_hash TEXT NOT NULL UNIQUE,
  scopes TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  expires_at_ms INTEGER NOT NULL,
  last_used_at_ms INTEGER,
  last_used_address TEXT,
  recent_uses TEXT NOT NULL DEFAULT '[]',
  revoked_at_ms INTEGER
) STRICT;

CREATE INDEX api_tokens_by_user ON api_tokens (user_id, created_at_ms DESC, id DESC);
CREATE INDEX api_tokens_by_expiry ON api_tokens (expires_at_ms);

-- A user who is disabled loses their sessions: the living ones among many that have ended.
CREATE INDEX sessions_by_user_state ON sessions (user_id, state);
