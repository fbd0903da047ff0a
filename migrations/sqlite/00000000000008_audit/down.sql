CREATE INDEX audit_events_user ON audit_events (user_id, auth_epoch);
DROP INDEX audit_events_epoch;
DROP INDEX audit_events_origin;
DROP INDEX audit_events_session;
DROP INDEX audit_events_by_user;
ALTER TABLE audit_events DROP COLUMN count;
ALTER TABLE audit_events DROP COLUMN detail;
ALTER TABLE audit_events DROP COLUMN user_agent;
UPDATE schema_info SET version = 7;
