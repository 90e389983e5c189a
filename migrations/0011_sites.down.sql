DROP TABLE denials;

DROP INDEX relays_disabled;
DROP INDEX relays_by_site;
DROP INDEX relays_by_state;
CREATE INDEX relays_by_state ON relays (state, id);

ALTER TABLE relays DROP COLUMN last_errors;
ALTER TABLE relays DROP COLUMN load_at_ms;
ALTER TABLE relays DROP COLUMN is_full;
ALTER TABLE relays DROP COLUMN load_level;
ALTER TABLE relays DROP COLUMN load;
ALTER TABLE relays DROP COLUMN clock_skew_ms;
ALTER TABLE relays DROP COLUMN control_version;
ALTER TABLE relays DROP COLUMN drain_ends_at_ms;
ALTER TABLE relays DROP COLUMN drain_ordered;
ALTER TABLE relays DROP COLUMN deleted_at_ms;
ALTER TABLE relays DROP COLUMN disabled_at_ms;
ALTER TABLE relays DROP COLUMN site_id;

DROP INDEX join_tokens_by_site;
DROP INDEX join_tokens_pending;
ALTER TABLE join_tokens DROP COLUMN revoked_at_ms;
ALTER TABLE join_tokens DROP COLUMN site_id;
ALTER TABLE join_tokens DROP COLUMN name;

DROP INDEX consoles_by_site;
ALTER TABLE consoles DROP COLUMN site_id;

DROP INDEX sources_by_site;
ALTER TABLE sources DROP COLUMN site_id;

DROP TABLE site_fallbacks;
DROP TABLE sites;
