-- Who may see and open which console: rules, the consoles that they match, and links for guests.
--
-- A rule is about one console, or about a scope: all consoles of one source, project, tag and form
-- of name. A scope's consoles are listed in access_scope_consoles, so that a page of a user's list is
-- read from an index. Triggers keep that list: no writer of consoles or tags can forget it, and it is
-- never older than the change. What a scope matches is said once, by the view access_matches.

ALTER TABLE consoles ADD COLUMN project TEXT;

CREATE INDEX consoles_by_source ON consoles (source_id, name, id) WHERE deleted_at_ms IS NULL;
CREATE INDEX consoles_by_project ON consoles (project, name, id)
  WHERE project IS NOT NULL AND deleted_at_ms IS NULL;

-- Of consoles that are not deleted. The name is the console's: a tag's consoles in the list's order.
CREATE TABLE console_tags (
  console_id TEXT NOT NULL REFERENCES consoles (id) ON DELETE CASCADE,
  tag TEXT NOT NULL,
  name TEXT NOT NULL,
  PRIMARY KEY (console_id, tag)
) STRICT, WITHOUT ROWID;

CREATE INDEX console_tags_by_tag ON console_tags (tag, name, console_id);

-- A scope is there as long as a rule has it. An empty text matches every console; name_glob is a
-- pattern of SQLite's GLOB.
CREATE TABLE access_scopes (
  id INTEGER PRIMARY KEY,
  tag TEXT NOT NULL,
  project TEXT NOT NULL,
  source_id TEXT NOT NULL,
  name_glob TEXT NOT NULL,
  UNIQUE (tag, project, source_id, name_glob)
) STRICT;

CREATE TABLE access_scope_consoles (
  scope_id INTEGER NOT NULL,
  name TEXT NOT NULL,
  console_id TEXT NOT NULL,
  PRIMARY KEY (scope_id, name, console_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX access_scope_consoles_by_console ON access_scope_consoles (console_id, scope_id);

-- subject_id is a user's or a group's id, or 'everyone'. The level's number is its rank: 1 may see
-- the console, 2 may open it, 3 owns it.
CREATE TABLE access_rules (
  id TEXT PRIMARY KEY,
  subject_kind TEXT NOT NULL CHECK (subject_kind IN ('user', 'group', 'everyone')),
  subject_id TEXT NOT NULL,
  console_id TEXT REFERENCES consoles (id) ON DELETE CASCADE,
  scope_id INTEGER REFERENCES access_scopes (id),
  level INTEGER NOT NULL CHECK (level BETWEEN 1 AND 3),
  created_at_ms INTEGER NOT NULL,
  CHECK ((console_id IS NULL) <> (scope_id IS NULL))
) STRICT;

CREATE UNIQUE INDEX access_rules_once
  ON access_rules (subject_id, coalesce(console_id, ''), coalesce(scope_id, 0));
CREATE INDEX access_rules_by_target ON access_rules (subject_id, scope_id, console_id, level);
CREATE INDEX access_rules_by_scope ON access_rules (scope_id) WHERE scope_id IS NOT NULL;
CREATE INDEX access_rules_by_created ON access_rules (created_at_ms DESC, id DESC);
CREATE INDEX access_rules_by_subject ON access_rules (subject_id, created_at_ms DESC, id DESC);
CREATE INDEX access_rules_by_console ON access_rules (console_id, created_at_ms DESC, id DESC)
  WHERE console_id IS NOT NULL;

-- Each part joins by equality alone, so that it is answered through indexes from either side.
CREATE VIEW access_matches (scope_id, tag, name, console_id) AS
  SELECT s.id, s.tag, c.name, c.id
    FROM access_scopes s
    JOIN console_tags t ON t.tag = s.tag
    JOIN consoles c ON c.id = t.console_id
    WHERE s.tag <> '' AND s.project IN ('', c.project) AND s.source_id IN ('', c.source_id)
      AND c.name GLOB s.name_glob AND c.deleted_at_ms IS NULL
  UNION ALL
  SELECT s.id, s.tag, c.name, c.id
    FROM access_scopes s
    JOIN consoles c ON c.project = s.project
    WHERE s.tag = '' AND s.project <> '' AND s.source_id IN ('', c.source_id)
      AND c.name GLOB s.name_glob AND c.project IS NOT NULL AND c.deleted_at_ms IS NULL
  UNION ALL
  SELECT s.id, s.tag, c.name, c.id
    FROM access_scopes s
    JOIN consoles c ON c.source_id = s.source_id
    WHERE s.tag = '' AND s.project = '' AND s.source_id <> ''
      AND c.name GLOB s.name_glob AND c.deleted_at_ms IS NULL
  UNION ALL
  SELECT s.id, s.tag, c.name, c.id
    FROM access_scopes s
    JOIN consoles c
    WHERE s.tag = '' AND s.project = '' AND s.source_id = ''
      AND c.name GLOB s.name_glob AND c.deleted_at_ms IS NULL;

CREATE TRIGGER consoles_inserted AFTER INSERT ON consoles
BEGIN
  INSERT INTO access_scope_consoles (scope_id, name, console_id)
    SELECT scope_id, name, console_id FROM access_matches WHERE console_id = NEW.id;
END;

CREATE TRIGGER consoles_updated AFTER UPDATE OF name, source_id, project, deleted_at_ms ON consoles
  WHEN OLD.name IS NOT NEW.name OR OLD.source_id IS NOT NEW.source_id
    OR OLD.project IS NOT NEW.project OR OLD.deleted_at_ms IS NOT NEW.deleted_at_ms
BEGIN
  UPDATE console_tags SET name = NEW.name WHERE console_id = NEW.id AND name <> NEW.name;
  DELETE FROM access_scope_consoles WHERE console_id = NEW.id;
  INSERT INTO access_scope_consoles (scope_id, name, console_id)
    SELECT scope_id, name, console_id FROM access_matches WHERE console_id = NEW.id;
END;

-- What was granted of a console ends with it, also when its source brings it back.
CREATE TRIGGER consoles_deleted AFTER UPDATE OF deleted_at_ms ON consoles
  WHEN OLD.deleted_at_ms IS NULL AND NEW.deleted_at_ms IS NOT NULL
BEGIN
  DELETE FROM console_tags WHERE console_id = NEW.id;
  DELETE FROM access_rules WHERE console_id = NEW.id;
END;

CREATE TRIGGER consoles_purged AFTER DELETE ON consoles
BEGIN
  DELETE FROM access_scope_consoles WHERE console_id = OLD.id;
END;

CREATE TRIGGER console_tags_inserted AFTER INSERT ON console_tags
BEGIN
  INSERT INTO access_scope_consoles (scope_id, name, console_id)
    SELECT scope_id, name, console_id FROM access_matches
    WHERE console_id = NEW.console_id AND tag = NEW.tag;
END;

CREATE TRIGGER console_tags_deleted AFTER DELETE ON console_tags
BEGIN
  DELETE FROM access_scope_consoles
    WHERE console_id = OLD.console_id
      AND scope_id IN (SELECT id FROM access_scopes WHERE tag = OLD.tag);
END;

CREATE TRIGGER access_scopes_inserted AFTER INSERT ON access_scopes
BEGIN
  INSERT INTO access_scope_consoles (scope_id, name, console_id)
    SELECT scope_id, name, console_id FROM access_matches WHERE scope_id = NEW.id;
END;

CREATE TRIGGER access_scopes_deleted AFTER DELETE ON access_scopes
BEGIN
  DELETE FROM access_scope_consoles WHERE scope_id = OLD.id;
END;

CREATE TRIGGER access_rules_deleted AFTER DELETE ON access_rules WHEN OLD.scope_id IS NOT NULL
BEGIN
  DELETE FROM access_scopes
    WHERE id = OLD.scope_id
      AND NOT EXISTS (SELECT 1 FROM access_rules WHERE scope_id = OLD.scope_id);
END;

CREATE TRIGGER access_rules_updated AFTER UPDATE OF scope_id ON access_rules
  WHEN OLD.scope_id IS NOT NULL AND OLD.scope_id IS NOT NEW.scope_id
BEGIN
  DELETE FROM access_scopes
    WHERE id = OLD.scope_id
      AND NOT EXISTS (SELECT 1 FROM access_rules WHERE scope_id = OLD.scope_id);
END;

CREATE TRIGGER users_deleted AFTER UPDATE OF deleted_at_ms ON users
  WHEN OLD.deleted_at_ms IS NULL AND NEW.deleted_at_ms IS NOT NULL
BEGIN
  DELETE FROM access_rules WHERE subject_id = NEW.id;
END;

CREATE TRIGGER groups_deleted AFTER DELETE ON groups
BEGIN
  DELETE FROM access_rules WHERE subject_id = OLD.id;
END;

-- Links that open one console for somebody without an account.
CREATE TABLE shares (
  id TEXT PRIMARY KEY,
  token_hash TEXT NOT NULL UNIQUE,
  console_id TEXT NOT NULL REFERENCES consoles (id),
  issuer_id TEXT NOT NULL REFERENCES users (id),
  label TEXT,
  policy TEXT,
  uses_max INTEGER NOT NULL,
  uses_left INTEGER NOT NULL CHECK (uses_left BETWEEN 0 AND uses_max),
  created_at_ms INTEGER NOT NULL,
  expires_at_ms INTEGER NOT NULL,
  revoked_at_ms INTEGER
) STRICT;

CREATE INDEX shares_by_created ON shares (created_at_ms DESC, id DESC);
CREATE INDEX shares_by_issuer ON shares (issuer_id, created_at_ms DESC, id DESC);
CREATE INDEX shares_by_console ON shares (console_id, created_at_ms DESC, id DESC);

ALTER TABLE sessions ADD COLUMN share_id TEXT REFERENCES shares (id);

CREATE INDEX sessions_by_share ON sessions (share_id, state) WHERE share_id IS NOT NULL;

-- Before this schema every user opened every console. Where people rely on that, one rule says so,
-- which an admin can see, change and take away; elsewhere nothing is granted.
INSERT INTO access_scopes (tag, project, source_id, name_glob)
  SELECT '', '', '', '*'
  WHERE EXISTS (SELECT 1 FROM users WHERE role <> 'admin' AND deleted_at_ms IS NULL)
    AND EXISTS (SELECT 1 FROM consoles WHERE deleted_at_ms IS NULL);

INSERT INTO access_rules (id, subject_kind, subject_id, scope_id, level, created_at_ms)
  SELECT 'acr_' || lower(hex(randomblob(11))), 'everyone', 'everyone', id, 2, unixepoch() * 1000
  FROM access_scopes;
