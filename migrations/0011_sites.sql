-- Sites with their fallbacks, what an administrator may do with a relay, what its hub keeps of it,
-- join tokens that are bound to a name or a site, and denials.
-- The default site always is; whatever names no other site belongs to it.

CREATE TABLE sites (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL DEFAULT '',
  created_at_ms INTEGER NOT NULL
) STRICT;

INSERT INTO sites (id, name, description, created_at_ms)
VALUES ('sit_default', 'default', 'Whatever belongs to no other site.', unixepoch('now') * 1000);

CREATE TABLE site_fallbacks (
  site_id TEXT NOT NULL REFERENCES sites (id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  fallback_site_id TEXT NOT NULL REFERENCES sites (id),
  PRIMARY KEY (site_id, position),
  CHECK (site_id <> fallback_site_id)
) STRICT;

CREATE INDEX site_fallbacks_by_fallback ON site_fallbacks (fallback_site_id);

ALTER TABLE sources ADD COLUMN site_id TEXT NOT NULL DEFAULT 'sit_default' REFERENCES sites (id);
CREATE INDEX sources_by_site ON sources (site_id);

-- Null: its source's.
ALTER TABLE consoles ADD COLUMN site_id TEXT REFERENCES sites (id);
CREATE INDEX consoles_by_site ON consoles (site_id) WHERE site_id IS NOT NULL;

ALTER TABLE join_tokens ADD COLUMN name TEXT;
ALTER TABLE join_tokens ADD COLUMN site_id TEXT REFERENCES sites (id);
ALTER TABLE join_tokens ADD COLUMN revoked_at_ms INTEGER;
CREATE INDEX join_tokens_pending ON join_tokens (created_at_ms DESC, id DESC)
  WHERE used_at_ms IS NULL AND revoked_at_ms IS NULL;
CREATE INDEX join_tokens_by_site ON join_tokens (site_id) WHERE site_id IS NOT NULL;

ALTER TABLE relays ADD COLUMN site_id TEXT NOT NULL DEFAULT 'sit_default' REFERENCES sites (id);
ALTER TABLE relays ADD COLUMN disabled_at_ms INTEGER;
ALTER TABLE relays ADD COLUMN deleted_at_ms INTEGER;
ALTER TABLE relays ADD COLUMN drain_ordered INTEGER NOT NULL DEFAULT 0
  CHECK (drain_ordered IN (0, 1));
ALTER TABLE relays ADD COLUMN drain_ends_at_ms INTEGER;
ALTER TABLE relays ADD COLUMN control_version INTEGER;
ALTER TABLE relays ADD COLUMN clock_skew_ms INTEGER;
ALTER TABLE relays ADD COLUMN load TEXT;
ALTER TABLE relays ADD COLUMN load_level INTEGER;
ALTER TABLE relays ADD COLUMN is_full INTEGER NOT NULL DEFAULT 0 CHECK (is_full IN (0, 1));
ALTER TABLE relays ADD COLUMN load_at_ms INTEGER;
ALTER TABLE relays ADD COLUMN last_errors TEXT NOT NULL DEFAULT '[]';

DROP INDEX relays_by_state;
CREATE INDEX relays_by_state ON relays (state, name) WHERE deleted_at_ms IS NULL;
CREATE INDEX relays_by_site ON relays (site_id, name);
CREATE INDEX relays_disabled ON relays (name)
  WHERE disabled_at_ms IS NOT NULL AND deleted_at_ms IS NULL;

CREATE TABLE denials (
  revision INTEGER PRIMARY KEY AUTOINCREMENT,
  subject TEXT NOT NULL CHECK (subject IN ('user', 'console', 'session', 'share')),
  subject_id TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  until_ms INTEGER NOT NULL,
  announced_at_ms INTEGER
) STRICT;

CREATE UNIQUE INDEX denials_by_subject ON denials (subject, subject_id);
CREATE INDEX denials_by_until ON denials (until_ms);
CREATE INDEX denials_unannounced ON denials (revision) WHERE announced_at_ms IS NULL;
