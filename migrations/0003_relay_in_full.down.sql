ALTER TABLE tickets DROP COLUMN way;

ALTER TABLE sessions DROP COLUMN refused_code;
ALTER TABLE sessions DROP COLUMN yields_to;
ALTER TABLE sessions DROP COLUMN second_viewer;

ALTER TABLE relays DROP COLUMN draining;
ALTER TABLE relays DROP COLUMN connect_port;

ALTER TABLE consoles DROP COLUMN policy;
ALTER TABLE consoles DROP COLUMN proxy;
