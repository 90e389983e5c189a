-- Requests that may be repeated under a key of their caller's.
-- A row is made before its request is carried out; what it was answered is kept sealed.

CREATE TABLE idempotency_keys (
  id TEXT PRIMARY KEY,
  caller TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  attempt TEXT NOT NULL,
  request_id TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('running', 'done')),
  started_at_ms INTEGER NOT NULL,
  lease_until_ms INTEGER NOT NULL,
  expires_at_ms INTEGER NOT NULL,
  sealed_answer TEXT
) STRICT;

CREATE INDEX idempotency_keys_by_caller ON idempotency_keys (caller);
CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at_ms);
