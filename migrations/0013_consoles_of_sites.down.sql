DROP INDEX consoles_of_source_site;
DROP INDEX consoles_by_site;
CREATE INDEX consoles_by_site ON consoles (site_id) WHERE site_id IS NOT NULL;
