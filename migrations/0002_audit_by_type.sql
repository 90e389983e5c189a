-- The audit trail filtered by type: without it a rare type is looked for in the whole trail.

CREATE INDEX audit_events_by_type ON audit_events (type, at_ms DESC, id DESC);
