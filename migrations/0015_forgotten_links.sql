-- Links that nobody used, by their expiry: they are forgotten some time after it. A link that was
-- used is named by its sessions, and stays with them.

CREATE INDEX shares_unused_by_expiry ON shares (expires_at_ms) WHERE uses_left = uses_max;
