-- With the older schema every user opens every console again. Sessions of guests stay, as their
-- issuers'.

DROP INDEX sessions_by_share;
ALTER TABLE sessions DROP COLUMN share_id;
DROP TABLE shares;

DROP TRIGGER groups_deleted;
DROP TRIGGER users_deleted;
DROP TRIGGER access_rules_updated;
DROP TRIGGER access_rules_deleted;
DROP TRIGGER access_scopes_deleted;
DROP TRIGGER access_scopes_inserted;
DROP TRIGGER console_tags_deleted;
DROP TRIGGER console_tags_inserted;
DROP TRIGGER consoles_purged;
DROP TRIGGER consoles_deleted;
DROP TRIGGER consoles_updated;
DROP TRIGGER consoles_inserted;
DROP VIEW access_matches;
DROP TABLE access_rules;
DROP TABLE access_scope_consoles;
DROP TABLE access_scopes;
DROP TABLE console_tags;

DROP INDEX consoles_by_project;
DROP INDEX consoles_by_source;
ALTER TABLE consoles DROP COLUMN project;
