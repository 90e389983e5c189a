-- What the relay's policies, ways in and drains need. A session says what becomes of a second
-- viewer, and to which session it must give way.

ALTER TABLE consoles ADD COLUMN proxy TEXT;
ALTER TABLE consoles ADD COLUMN policy TEXT;

ALTER TABLE relays ADD COLUMN connect_port INTEGER;
ALTER TABLE relays ADD COLUMN draining INTEGER NOT NULL DEFAULT 0 CHECK (draining IN (0, 1));

ALTER TABLE sessions ADD COLUMN second_viewer TEXT NOT NULL DEFAULT 'refuse'
  CHECK (second_viewer IN ('refuse', 'take-over'));
ALTER TABLE sessions ADD COLUMN yields_to TEXT;
ALTER TABLE sessions ADD COLUMN refused_code TEXT;

ALTER TABLE tickets ADD COLUMN way TEXT NOT NULL DEFAULT 'tls' CHECK (way IN ('tls', 'connect'));
