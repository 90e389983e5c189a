-- A site's consoles in the list's order: those that name it, and of each of its sources those that
-- name none.

DROP INDEX consoles_by_site;
CREATE INDEX consoles_by_site ON consoles (site_id, deleted_at_ms, name, id)
  WHERE site_id IS NOT NULL;
CREATE INDEX consoles_of_source_site ON consoles (source_id, name, id)
  WHERE site_id IS NULL AND deleted_at_ms IS NULL;
