CREATE INDEX tokens_session ON tokens (session_id);
DROP INDEX tokens_by_session;
DROP INDEX sessions_to_empty;
ALTER TABLE sessions DROP COLUMN emptied;
UPDATE schema_info SET version = 1;
