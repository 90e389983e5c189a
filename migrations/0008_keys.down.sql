DROP TABLE own_certificates;

ALTER TABLE relays DROP COLUMN renewals_since_ms;
ALTER TABLE relays DROP COLUMN renewals;
ALTER TABLE relays DROP COLUMN certificate_ends_at_ms;
ALTER TABLE relays DROP COLUMN ticket_epoch_at_ms;
ALTER TABLE relays DROP COLUMN next_key_at_ms;
ALTER TABLE relays DROP COLUMN next_public_key;

DROP TABLE signing_keys;
