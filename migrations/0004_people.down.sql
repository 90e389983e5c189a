-- Roles that the older schema lacks become 'user'. It can neither disable nor delete, and every
-- user of it has a password: whoever must not log in gets a hash that no password has.

DROP INDEX sessions_by_user_state;

DROP TABLE api_tokens;

DROP INDEX logins_by_expiry;
DROP INDEX logins_by_user;
CREATE INDEX logins_by_user ON logins (user_id);
DELETE FROM logins WHERE user_id IN (
  SELECT id FROM users WHERE disabled_at_ms IS NOT NULL OR deleted_at_ms IS NOT NULL
);
ALTER TABLE logins DROP COLUMN last_used_at_ms;
ALTER TABLE logins DROP COLUMN user_agent;
ALTER TABLE logins DROP COLUMN address;
ALTER TABLE logins DROP COLUMN method;

DROP TABLE group_members;
DROP TABLE groups;

CREATE TABLE users_old (
  id TEXT PRIMARY KEY,
  username TEXT NOT NULL UNIQUE COLLATE NOCASE,
  password_hash TEXT NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('admin', 'user')),
  created_at_ms INTEGER NOT NULL
) STRICT;

INSERT INTO users_old (id, username, password_hash, role, created_at_ms)
  SELECT
    id,
    username,
    CASE
      WHEN password_hash IS NULL OR disabled_at_ms IS NOT NULL OR deleted_at_ms IS NOT NULL
        THEN 'scrypt$ln=14,r=8,p=5$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
      ELSE password_hash
    END,
    CASE role WHEN 'admin' THEN 'admin' ELSE 'user' END,
    created_at_ms
  FROM users;
DROP TABLE users;
ALTER TABLE users_old RENAME TO users;
