-- Keys of certificate authorities, sealed.

CREATE TABLE authority_keys (
  id TEXT PRIMARY KEY NOT NULL,
  sealed_private_key TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL
) STRICT;
