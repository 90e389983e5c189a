ALTER TABLE relays DROP COLUMN enforces;

DROP TABLE policy_attachments;
DROP TABLE policies;
