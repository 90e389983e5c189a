DROP TRIGGER session_change_of_old;
DROP TRIGGER session_change_of_new;
DROP TABLE session_changes;

DROP INDEX sessions_live_by_relay;
DROP INDEX sessions_live_by_console;
DROP INDEX sessions_live_by_user;
DROP INDEX sessions_live;
DROP INDEX sessions_by_state_time;
DROP INDEX sessions_by_relay_time;
DROP INDEX sessions_by_console_time;

ALTER TABLE sessions DROP COLUMN end_requested_at_ms;
ALTER TABLE sessions DROP COLUMN end_requested_by;

DROP TABLE session_channels;
