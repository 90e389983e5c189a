-- Keys that are changed while everything runs: those that sign grants, each relay's own, its ticket
-- keys, and the certificates that relays show.

CREATE TABLE signing_keys (
  kid TEXT PRIMARY KEY,
  public_key TEXT NOT NULL,
  sealed_private_key TEXT,
  state TEXT NOT NULL CHECK (state IN ('next', 'active', 'retired')),
  created_at_ms INTEGER NOT NULL,
  activated_at_ms INTEGER,
  retired_at_ms INTEGER,
  verifies_until_ms INTEGER,
  CHECK ((state = 'retired') = (sealed_private_key IS NULL)),
  CHECK ((state = 'retired') = (verifies_until_ms IS NOT NULL))
) STRICT;

-- One key signs and one comes next: of two rotations that race one fails here.
CREATE UNIQUE INDEX signing_keys_in_use ON signing_keys (state) WHERE state <> 'retired';
CREATE INDEX signing_keys_by_created ON signing_keys (created_at_ms DESC, kid DESC);

ALTER TABLE relays ADD COLUMN next_public_key TEXT;
ALTER TABLE relays ADD COLUMN next_key_at_ms INTEGER;
ALTER TABLE relays ADD COLUMN ticket_epoch_at_ms INTEGER;
ALTER TABLE relays ADD COLUMN certificate_ends_at_ms INTEGER;
ALTER TABLE relays ADD COLUMN renewals INTEGER NOT NULL DEFAULT 0;
ALTER TABLE relays ADD COLUMN renewals_since_ms INTEGER;

CREATE TABLE own_certificates (
  relay_id TEXT PRIMARY KEY REFERENCES relays (id) ON DELETE CASCADE,
  chain TEXT NOT NULL,
  ca TEXT,
  host_subject TEXT,
  ends_at_ms INTEGER NOT NULL,
  reported_at_ms INTEGER NOT NULL,
  warned_at_ms INTEGER
) STRICT;

CREATE INDEX own_certificates_by_end ON own_certificates (ends_at_ms);
