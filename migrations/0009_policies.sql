-- Named policies and what they apply to; what a relay can enforce of them. A subject's id says also
-- what it is, and is never given twice: the attachments of one that is gone mean nothing any more.

CREATE TABLE policies (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE COLLATE NOCASE,
  description TEXT NOT NULL DEFAULT '',
  rules TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  changed_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE policy_attachments (
  id TEXT PRIMARY KEY,
  policy_id TEXT NOT NULL REFERENCES policies (id),
  kind TEXT NOT NULL CHECK (kind IN ('everyone', 'console', 'source', 'group', 'user')),
  subject_id TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  CHECK ((kind = 'everyone') = (subject_id = 'everyone'))
) STRICT;

CREATE UNIQUE INDEX policy_attachments_by_subject ON policy_attachments (subject_id, policy_id);
CREATE INDEX policy_attachments_by_policy ON policy_attachments (policy_id, id);

ALTER TABLE relays ADD COLUMN enforces TEXT NOT NULL DEFAULT '[]';
